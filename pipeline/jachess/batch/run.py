"""Running a job: lock, store, blocks through Dask in a sliding window, verdict."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace

from jachess.batch.begin import begin, check_addable, check_unchanged, check_versions, complete_labels, reopen
from jachess.batch.clusters import chosen
from jachess.batch.compute import ROUNDS, Computation, check_report
from jachess.batch.confine import check_confined
from jachess.batch.job import Job
from jachess.batch.labels import damaged_labels
from jachess.batch.log import Log
from jachess.batch.machine import check_memory
from jachess.batch.partial_sums import end_partial_sums
from jachess.batch.plan import Plan
from jachess.batch.prepare import Prepared, prepare, versions, with_absolute_places
from jachess.batch.progress import tell
from jachess.batch.quantities import n_blocks
from jachess.batch.seal import agreement_of, seal
from jachess.batch.stages import COMPUTE, READ_BACK
from jachess.batch.storage import Storage, storage_of
from jachess.batch.storage.turns import alone
from jachess.batch.store import Store, chunk_key
from jachess.batch.tally import Tally
from jachess.batch.tasks import Block
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
    check_confined(job)  # before its cluster file is read
    elsewhere = chosen(job) is not None
    prepared = prepare(with_absolute_places(job) if elsewhere else job)
    check_memory(job, prepared.plan)
    return prepared


def run_job(
    job: Job, *, checksums: bool = False, report: str | None = None, prepared: Prepared | None = None
) -> Outcome:
    """Compute a job, or what is missing of it; a job that is complete is left as it is.

    Parameters
    ----------
    checksums : bool
        Whether every chunk that is there is read first; damaged ones are computed again.
    report : str, optional
        Where Dask's performance report goes.
    prepared : Prepared, optional
        What `plan_job` gave for the same job, whose place may be another.

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
    prepared = _checked(job, storage) if prepared is None else replace(prepared, job=replace(prepared.job, out=job.out))
    with alone(storage):
        store, fresh = begin(prepared, storage)
        prepared = replace(prepared, plan=store.plan)
        tally, total = Tally(), n_blocks(store.plan)
        if checksums:
            store.remove(_damaged(store))
        complete_labels(prepared, store)
        n_computed = len(COMPUTE.missing(store))
        try:
            verdict = complete(prepared, store, tally, report)
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


def complete(prepared: Prepared, store: Store, tally: Tally, report: str | None = None) -> Verdict:
    """Compute what is missing and judge the whole; what was needed on the way is removed."""
    verdict = _judged(prepared, store, tally, report)
    end_partial_sums(store)
    return verdict


def _judged(prepared: Prepared, store: Store, tally: Tally, report: str | None) -> Verdict:
    """The verdict on the whole; what turns out to be damaged on the way is missing again."""
    for _ in range(ROUNDS):
        missing = COMPUTE.missing(store)
        if missing or READ_BACK.missing(store):
            _compute(prepared, store, missing, tally, report)
        elif store.attributes["state"] != "running":
            return Verdict.from_dict(store.attributes["verdict"])
        store.storage.sweep()  # of workers that died in the middle of a write, while others did their work
        try:
            return seal(store, agreement_of(prepared.context()))
        except ChunkError as error:
            store.remove(error.chunks)
    raise IncompleteError(f"{store.storage}: chunks were damaged as soon as they were written. Check the disk.")


def _damaged(store: Store) -> list[tuple[str, tuple[int, ...]]]:
    """Chunks that are to be computed again."""
    damaged = [*store.damaged_chunks(), *damaged_labels(store)]
    if damaged:
        check_versions(store)
    for name, indices in damaged:
        tell(f"{store.storage.address(chunk_key(name, indices))}: is damaged. It is computed again.")
    return damaged


def _compute(prepared: Prepared, store: Store, missing: list[Block], tally: Tally, report: str | None) -> None:
    check_addable(store, missing)
    memory = check_memory(prepared.job, store.plan)
    reopen(store)
    with Log(store.storage.log) as log:
        log.write("run", process=os.getpid(), versions=versions(), blocks=n_blocks(store.plan), missing=len(missing))
        try:
            Computation(prepared, store, memory, log, tally, report).run()
        except BaseException as error:
            log.write("stopped", why=f"{type(error).__name__}: {error}")
            if isinstance(error, StoreError):
                raise IncompleteError(f"{error} Repeat the command to go on.") from error
            raise
        finally:
            log.write("totals", **tally.as_dict())
    check_unchanged(prepared, store, missing)
