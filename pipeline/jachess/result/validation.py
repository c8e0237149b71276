"""Validation: the checks of a run once more, on what is on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from jachess.backprop.parallel import for_all
from jachess.batch.job import Job
from jachess.batch.prepare import Prepared, axis_labels, prepare
from jachess.batch.quantities import QUANTITIES, Context, Quantity
from jachess.batch.quantities.record import FurtherCheck
from jachess.batch.seal import agreement_of
from jachess.batch.store import Store
from jachess.batch.verdict import judge, judge_rows
from jachess.checks.verdict import Verdict
from jachess.errors import StoreError
from jachess.network.graph import Array
from jachess.result.open import Result


def validate(
    path: str | Path,
    *,
    network: str | None = None,
    points: str | None = None,
    targets: str | None = None,
    confine: str | None = None,
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

    Returns
    -------
    Verdict
        Nothing is written.

    Raises
    ------
    StoreError
        If the result is incomplete or damaged, or network, points or targets are not those of the job.
    """
    store = Result.open(path).store
    missing = {name: int((~store.done(name)).sum()) for name in store.plan.quantities}
    if any(missing.values()):
        lacking = ", ".join(f"{count} of {name}" for name, count in missing.items() if count)
        raise StoreError(f"{path}: blocks are missing or torn ({lacking}). Run the job again: it computes only those.")
    prepared = _prepared(store, network, points, targets, confine)
    context = replace(prepared, plan=store.plan).context()
    _check_labels(store, prepared)
    records = [QUANTITIES[name] for name in store.plan.quantities]
    found = judge(store.plan, {each.name: _residuals(context, store, each, each) for each in records})
    further = {
        check.name: judge_rows(store.plan, check, _residuals(context, store, each, check)())
        for each in records
        for check in each.further
        if check.applies(store.plan)
    }
    return Verdict({**found.findings, **further, "agreement": agreement_of(context)})


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


def _residuals(
    context: Context, store: Store, record: Quantity, check: Quantity | FurtherCheck
) -> Callable[[], Iterator[tuple[tuple[int, ...], Array]]]:
    n_blocks, check_stored = record.n_blocks(store.plan), check.stored_check(context)

    def pieces() -> Iterator[tuple[tuple[int, ...], Array]]:
        found: dict[int, Array] = {}

        def fill(block: int) -> None:
            found[block] = np.asarray(check_stored(store.read, block))

        for_all(fill, range(n_blocks))
        for block in range(n_blocks):
            yield tuple(span.start for span in check.rows(store.plan, block)), found[block]

    return pieces
