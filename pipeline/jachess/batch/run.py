"""Running a job: lock, store, blocks through Dask in a sliding window, verdict."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jachess.batch.clusters import read_cluster_file
from jachess.batch.compute import ROUNDS, Computation, check_report
from jachess.batch.confine import check_confined
from jachess.batch.job import Job
from jachess.batch.labels import damaged_labels, missing_labels, write_labels
from jachess.batch.log import Log
from jachess.batch.machine import check_memory
from jachess.batch.plan import NUMERICS, SIZES, Plan
from jachess.batch.planning import check_disk, disk_bytes
from jachess.batch.prepare import Prepared, axis_labels, prepare, versions
from jachess.batch.progress import tell
from jachess.batch.quantities import QUANTITIES
from jachess.batch.seal import agreement_of, seal
from jachess.batch.storage import Storage, absolute, storage_of
from jachess.batch.store import Store, chunk_key, create_store
from jachess.batch.tally import Tally
from jachess.batch.tasks import COMPUTE, READ_BACK, Block
from jachess.checks.verdict import Verdict
from jachess.errors import ChunkError, IncompleteError, InputError, JobError, StoreError


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes
    ----------
    out : str
        Path or URL of the store.
    verdict : Verdict
    n_blocks, n_computed : int
        Blocks of the job, and how many of them this run computed.
    seconds : float
    tally : Tally
        Where the workers' time went in this run.
    """

    out: str
    plan: Plan
    verdict: Verdict
    n_blocks: int
    n_computed: int
    seconds: float
    tally: Tally


def plan_job(job: Job) -> Prepared:
    """Read and check everything a job names and plan it; nothing is written.

    Raises
    ------
    InputError
        If the job is refused.
    """
    prepared = prepare(job)
    if job.cluster is not None:
        read_cluster_file(Path(job.cluster))
    check_memory(job, prepared.plan)
    return prepared


def run_job(job: Job, *, checksums: bool = False, report: str | None = None) -> Outcome:
    """Compute a job, or what is missing of it; a job that is complete is left as it is.

    Parameters
    ----------
    checksums : bool
        Whether every chunk that is there is read first; damaged ones are computed again.
    report : str, optional
        Where Dask's performance report goes.

    Raises
    ------
    InputError
        If the job is refused: nothing has been written.
    IncompleteError
        If blocks are missing in the end; the same call resumes.
    """
    check_confined(job)
    started, storage = time.monotonic(), storage_of(job.out)
    if report is not None:
        check_report(report)
    prepared = _checked(job, storage)
    with storage.lock():
        storage.remove_unfinished()
        fresh = not storage.exists()
        store = _create(prepared, storage) if fresh else _open(prepared, storage)
        prepared = replace(prepared, plan=store.plan)
        tally, total = Tally(), _n_blocks(store.plan)
        if checksums:
            store.remove(_damaged(store))
        if missing_labels(store):
            write_labels(store, axis_labels(store.plan, prepared.network))
        n_computed = len(COMPUTE.missing(store))
        try:
            verdict = _complete(prepared, store, tally, report)
        except JobError:  # no workers are to be had: refused, so nothing may be left behind
            if fresh and len(COMPUTE.missing(store)) == total:
                storage.remove()
            raise
        return Outcome(str(storage), store.plan, verdict, total, n_computed, time.monotonic() - started, tally)


def _checked(job: Job, storage: Storage) -> Prepared:
    """The job, and the place of its result, with everything that is wrong with both."""
    problems = []
    try:
        storage.check()
    except InputError as error:
        problems.append(str(error))
    try:
        prepared = plan_job(job)
    except InputError as error:
        if not problems:
            raise
        problems.insert(0, str(error))
    if problems:
        raise StoreError.of(problems)
    return prepared


def _complete(prepared: Prepared, store: Store, tally: Tally, report: str | None) -> Verdict:
    """Compute what is missing and judge the whole; what turns out to be damaged on the way is missing again."""
    for _ in range(ROUNDS):
        missing = COMPUTE.missing(store)
        if missing or READ_BACK.missing(store):
            _compute(prepared, store, missing, tally, report)
        elif store.attributes["state"] != "running":
            return Verdict.from_dict(store.attributes["verdict"])
        try:
            return seal(store, agreement_of(prepared.context()))
        except ChunkError as error:
            store.remove(error.chunks)
    raise IncompleteError(f"{store.storage}: chunks were damaged as soon as they were written. Check the disk.")


def _damaged(store: Store) -> list[tuple[str, tuple[int, ...]]]:
    """Chunks that are to be computed again."""
    damaged = [*store.damaged_chunks(), *damaged_labels(store)]
    if damaged:
        _check_versions(store)
    for name, indices in damaged:
        tell(f"{store.storage.address(chunk_key(name, indices))}: is damaged. It is computed again.")
    return damaged


def _check_versions(store: Store) -> None:
    """Whether this version of jachess, with these libraries, may add blocks to a store.

    Raises
    ------
    StoreError
        If it computes other digits than the version that began the store.
    """
    now = versions()
    begun = {**now, **store.attributes.get("versions", {})}
    if store.plan.fingerprints.get("numerics") != NUMERICS:
        raise StoreError(
            f"{store.storage}: was begun by a version of jachess that computes other digits (numerics "
            f"{store.plan.fingerprints.get('numerics')} of jachess {begun['jachess']}; this is numerics {NUMERICS} of "
            f"{now['jachess']}). Finish it with that version, or start again in another place."
        )
    changed = [f"{name} {begun[name]}, now {now[name]}" for name in ("numpy", "scipy") if begun[name] != now[name]]
    if changed:
        tell(
            f"{store.storage}: was begun with {', '.join(changed)}. What is computed now may differ in the last digits."
        )


def _compute(prepared: Prepared, store: Store, missing: list[Block], tally: Tally, report: str | None) -> None:
    plan = store.plan
    _check_versions(store)
    check_disk(plan, store.storage, disk_bytes(plan) * (_n_blocks(plan) - len(missing)) // _n_blocks(plan))
    memory = check_memory(prepared.job, plan)
    store.storage.sweep()
    store.update_attributes({"state": "running", "verdict": None})
    with Log(store.storage.log) as log:
        log.write("run", process=os.getpid(), versions=versions(), blocks=_n_blocks(plan), missing=len(missing))
        try:
            Computation(prepared, store, memory, log, tally, report).run()
        except BaseException as error:
            log.write("stopped", why=f"{type(error).__name__}: {error}")
            if isinstance(error, StoreError):
                raise IncompleteError(f"{error} Repeat the command to go on.") from error
            raise
        finally:
            log.write("totals", **tally.as_dict())
    changed = [name for name, digest in prepared.source.fingerprint().items() if digest != plan.fingerprints[name]]
    if changed:
        store.remove(_receipts(plan, missing))
        raise IncompleteError(
            f"{store.storage}: {' and '.join(changed)} changed while the job ran: what it computed is removed again. "
            "Put them back and repeat the command, or start again in another place."
        )


def _receipts(plan: Plan, blocks: Iterable[Block]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The chunks without which blocks count as missing."""
    for record in (QUANTITIES[name] for name in plan.quantities):
        numbers = [block for name, block in blocks if name == record.name]
        spec = next(spec for spec in record.arrays(plan) if spec.name == record.receipt)
        for indices in np.argwhere(np.isin(spec.owners, numbers)).tolist():
            yield spec.name, tuple(indices)


def _n_blocks(plan: Plan) -> int:
    return sum(QUANTITIES[name].n_blocks(plan) for name in plan.quantities)


def _create(prepared: Prepared, storage: Storage) -> Store:
    plan = prepared.plan
    check_disk(plan, storage)
    attributes = {
        "title": "Derivatives of a neural network, computed by jachess",
        "state": "running",
        "job": _job_record(prepared.job),
        "versions": versions(),
        "created_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return create_store(storage, plan, attributes, axis_labels(plan, prepared.network))


def _open(prepared: Prepared, storage: Storage) -> Store:
    store = Store(storage)
    store.check(["plan", "state"])
    differences = _differences(store.plan, prepared.plan)
    if differences:
        raise StoreError(
            f"{storage}: holds the result of another job (different: {'; '.join(differences)}). "
            "Choose another place, or remove it."
        )
    return store


def _job_record(job: Job) -> dict[str, Any]:
    points = {name or "points": absolute(path) for name, path in job.points}
    targets = None if job.targets is None else absolute(job.targets)
    return {**job.identity(), "network": absolute(job.network), "points": points, "targets": targets}


def _differences(stored: Plan, wanted: Plan) -> list[str]:
    found = [
        name
        for name, digest in stored.fingerprints.items()
        if name != "numerics" and digest != wanted.fingerprints.get(name)
    ]
    found += [
        f"{key} (planned {getattr(stored, key)}, found {getattr(wanted, key)})"
        for key in SIZES
        if getattr(stored, key) != getattr(wanted, key)
    ]
    found += [
        f"{key} (stored {value}, asked for {wanted.identity.get(key)})"
        for key, value in stored.identity.items()
        if value != wanted.identity.get(key)
    ]
    return found
