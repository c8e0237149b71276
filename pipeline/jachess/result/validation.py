"""Validation: the checks of a run once more, on what is on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from jachess.batch.job import Job
from jachess.batch.machine import check_memory
from jachess.batch.plan import SIZES
from jachess.batch.prepare import Prepared, axis_labels, prepare
from jachess.batch.quantities import Context, FurtherCheck, Quantity, checks_of
from jachess.batch.quantities.array_spec import Region
from jachess.batch.quantities.record import Row
from jachess.batch.seal import agreement_of
from jachess.batch.store import Store
from jachess.batch.stored import residuals_here, residuals_on_workers
from jachess.batch.verdict import judge_rows
from jachess.checks.verdict import Around, Finding, Neighbour, Verdict
from jachess.errors import StoreError
from jachess.network.graph import Array
from jachess.result.open import Result
from jachess.result.streams import Passes

BESIDE = 2
"""Elements that are shown at either side of one that is wrong."""


def validate(
    path: str | Path,
    *,
    network: str | None = None,
    points: str | None = None,
    targets: str | None = None,
    confine: str | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    scheduler: str | None = None,
) -> Verdict:
    """Check every stored row against central differences, reading it from the store.

    Parameters
    ----------
    path : path or URL
        The result.
    network, points, targets : path or URL, optional
        Where those of the job are now, if they have moved.
    confine : path, optional
        A folder that all of them, and the result, must lie in.
    workers, cluster, scheduler
        Dask workers, as a job names them; by default all is done in this process.

    Returns
    -------
    Verdict
        Nothing is written. The worst row of each check is computed again, and shown near its worst element.

    Raises
    ------
    StoreError
        If the result is incomplete or damaged, or network, points or targets are not those of the job.
    """
    store = Result.open(path).store
    lacking = ", ".join(f"{count} of {name}" for name, count in store.lacking().items())
    if lacking:
        raise StoreError(f"{path}: blocks are missing or torn ({lacking}). Run the job again: it computes only those.")
    prepared = _prepared(store, network, points, targets, confine)
    context = replace(prepared, plan=store.plan).context()
    _check_labels(store, prepared)
    if workers or cluster or scheduler:
        job = replace(prepared.job, workers=workers, cluster=cluster, scheduler=scheduler)
        source = residuals_on_workers(context, store, job, check_memory(job, store.plan))
    else:
        source = residuals_here(context, store)
    with source as residuals:
        checks = checks_of(store.plan)
        passes = Passes("validation", sum(record.n_blocks(store.plan) for record, _ in checks.values()))
        findings = {name: _finding(context, store, *checks[name], residuals(name), passes) for name in checks}
        passes.close()
    return Verdict({**findings, "agreement": agreement_of(context)})


def _prepared(
    store: Store, network: str | None, points: str | None, targets: str | None, confine: str | None
) -> Prepared:
    """Network and points as the result's job names them, and proof that they are still the same."""
    job = store.attributes["job"]
    named = ((None, points),) if points else tuple((k if k != "points" else None, v) for k, v in job["points"].items())
    weights, chosen = job["weights"], job.get("input_hessian_outputs")
    prepared = prepare(
        Job(
            network=network or job["network"],
            points=named,
            quantities=tuple(job["quantities"]),
            out=str(store.storage),
            targets=targets or job["targets"],
            error=job["error"],
            dtype=job["dtype"],
            triangle=job["triangle"] or "both",
            weights=weights if isinstance(weights, str) else tuple(weights),
            input=job["input"],
            output=job["output"],
            method=job["method"],
            confine=confine,
            input_hessian_outputs=chosen if chosen is None else tuple(chosen),
        )
    )
    found, wanted = prepared.plan.fingerprints, store.plan.fingerprints
    changed = [name for name in ("network", "points", "targets") if found.get(name) != wanted.get(name)]
    if changed:
        raise StoreError(
            f"{store.storage}: {' and '.join(changed)} changed since it was computed. "
            "Name the original files: --network, --points, --targets."
        )
    if any(getattr(prepared.plan, size) != getattr(store.plan, size) for size in SIZES):
        raise StoreError(f"{store.storage}: its plan does not fit network and points. Run the job again elsewhere.")
    return prepared


def _check_labels(store: Store, prepared: Prepared) -> None:
    """What each weight is called must be what it is."""
    for name, labels in axis_labels(store.plan, prepared.network).items():
        wrong = np.flatnonzero(store.label(name) != labels)
        if len(wrong):
            raise StoreError(
                f"{store.storage}: '{name}' was changed at {wrong[0]} (wanted {labels[wrong[0]]}; "
                f"got {store.label(name)[wrong[0]]}). Remove the result and run the job again."
            )


def _finding(
    context: Context,
    store: Store,
    record: Quantity,
    check: Quantity | FurtherCheck,
    residuals: Iterator[Array],
    passes: Passes,
) -> Finding:
    def pieces() -> Iterator[tuple[Row, Array]]:
        for block, residual in enumerate(residuals):
            passes.advance()
            yield tuple(span.start for span in check.rows(store.plan, block)), residual

    return judge_rows(store.plan, check, pieces(), partial(_around, context, store, record, check))


def _around(context: Context, store: Store, record: Quantity, check: Quantity | FurtherCheck, row: Row) -> Around:
    """A row near the element that differs most from the same row computed again."""
    plan = store.plan
    block = next(b for b in range(record.n_blocks(plan)) if _holds(check.rows(plan, b), row))
    stored, again = (
        np.asarray(values, np.float64) for values in (check.again or record.again)(context, store.read, row)
    )
    with np.errstate(all="ignore"):
        apart = np.nan_to_num(np.abs(stored - again), nan=np.inf)
    worst = int(apart.argmax())
    near = range(max(0, worst - BESIDE), min(len(stored), worst + BESIDE + 1))
    return Around(
        f"{check.row_name(plan, row)}, in block {block} ({record.label(plan, block)})",
        tuple(Neighbour(record.column_name(plan, i), float(stored[i]), float(again[i])) for i in near),
    )


def _holds(region: Region, row: Row) -> bool:
    return all(span.start <= place < span.stop for span, place in zip(region, row, strict=True))
