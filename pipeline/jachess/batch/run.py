"""Running a job: lock, store, blocks through Dask in a sliding window, verdict."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distributed import Client

from jachess.batch.clusters import n_workers, workers
from jachess.batch.job import Job
from jachess.batch.plan import Plan
from jachess.batch.planning import check_disk, disk_bytes, size, task_memory
from jachess.batch.prepare import Prepared, axis_labels, prepare, versions
from jachess.batch.progress import Progress
from jachess.batch.quantities import QUANTITIES
from jachess.batch.seal import agreement_of, seal
from jachess.batch.storage import Storage, absolute, storage_of
from jachess.batch.store import Store, create_store
from jachess.batch.tasks import COMPUTE, READ_BACK, Block, WorkerContext
from jachess.batch.window import run_stage
from jachess.checks.verdict import Verdict
from jachess.errors import IncompleteError, JobError, PlanError, StoreError

REBUILDS = 3
"""How often a lost cluster is started again."""


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
    """

    out: str
    plan: Plan
    verdict: Verdict
    n_blocks: int
    n_computed: int
    seconds: float


def plan_job(job: Job) -> Prepared:
    """Read and check everything a job names and plan it; nothing is written.

    Raises
    ------
    InputError
        If the job is refused.
    """
    prepared = prepare(job)
    _check_memory(job, prepared.plan)
    return prepared


def run_job(job: Job) -> Outcome:
    """Compute a job, or what is missing of it; a job that is complete is left as it is.

    Raises
    ------
    InputError
        If the job is refused: nothing has been written.
    IncompleteError
        If blocks are missing in the end; the same call resumes.
    """
    started, storage = time.monotonic(), storage_of(job.out)
    prepared = plan_job(job)
    storage.check()
    with storage.lock():
        storage.remove_unfinished()
        fresh = not storage.exists()
        store = _create(prepared, storage) if fresh else _open(prepared, storage)
        prepared = replace(prepared, plan=store.plan)
        missing = COMPUTE.missing(store)
        total = sum(QUANTITIES[name].n_blocks(store.plan) for name in store.plan.quantities)
        if missing or READ_BACK.missing(store):
            check_disk(store.plan, storage, disk_bytes(store.plan) * (total - len(missing)) // total)
            storage.sweep()
            store.update_attributes({"state": "running"})
            for name in {name for name, _ in missing}:  # what was read back of an older chunk proves nothing now
                store.forget(QUANTITIES[name].read_back)
            try:
                _compute(prepared, store)
            except JobError:  # no workers are to be had: refused, so nothing may be left behind
                if fresh and len(COMPUTE.missing(store)) == total:
                    storage.remove()
                raise
        if store.attributes["state"] == "running":
            verdict = seal(store, agreement_of(prepared.context()))
        else:
            verdict = Verdict.from_dict(store.attributes["verdict"])
        return Outcome(str(storage), store.plan, verdict, total, len(missing), time.monotonic() - started)


def _check_memory(job: Job, plan: Plan) -> int:
    """Bytes that each local worker gets.

    Raises
    ------
    PlanError
        If so many workers do not fit this machine.
    """
    wanted, count = max(job.memory or 0, task_memory(plan)), n_workers(job)
    if job.memory is not None and task_memory(plan) > job.memory:
        raise PlanError(
            f"memory: the blocks that {job.out} was begun with need more (wanted {size(task_memory(plan))} a worker; "
            f"got {size(job.memory)}). Allow more, or start again in another place."
        )
    free = _free_memory()
    if not (job.cluster or job.scheduler) and free is not None and task_memory(plan) * count > free:
        raise PlanError(
            f"memory: {count} workers do not fit this machine (wanted {size(task_memory(plan))} each; "
            f"got {size(free)} free in all). Use fewer workers, or less memory for each: --workers, --memory."
        )
    return wanted


def _free_memory() -> int | None:
    """Bytes that are free on this machine, where it tells."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


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
    found = [name for name in stored.fingerprints if stored.fingerprints[name] != wanted.fingerprints.get(name)]
    found += [
        f"{key} (stored {value}, asked for {wanted.identity.get(key)})"
        for key, value in stored.identity.items()
        if value != wanted.identity.get(key)
    ]
    return found


def _compute(prepared: Prepared, store: Store) -> None:
    """Compute the missing blocks and read all back, on a new cluster if one is lost."""
    context = prepared.context()
    memory = _check_memory(prepared.job, store.plan)
    failures: dict[Block, str] = {}
    for _ in range(REBUILDS):
        with workers(prepared.job, memory) as client:
            client.register_plugin(WorkerContext(context, absolute(str(store.storage))))
            lost = _stages(client, store, failures)
        if not lost:
            break
    missing = [block for block in COMPUTE.missing(store) or READ_BACK.missing(store) if block not in failures]
    if failures or missing:
        lines = [f"{name}, {QUANTITIES[name].label(store.plan, b)}: {text}" for (name, b), text in failures.items()]
        raise IncompleteError(
            f"{store.storage}: {len(missing) + len(failures)} blocks are missing. Repeat the command to go on.\n"
            + "\n".join(lines[:10])
        )


def _stages(client: Client, store: Store, failures: dict[Block, str]) -> bool:
    """Compute what is missing, then read back what has been computed; True if the scheduler was lost on the way."""
    total = sum(QUANTITIES[name].n_blocks(store.plan) for name in store.plan.quantities)
    for stage in (COMPUTE, READ_BACK):
        missing = [block for block in stage.missing(store) if block not in failures]
        progress = Progress(stage.name, len(missing), disk_bytes(store.plan) * len(missing) // total)
        lost = bool(missing) and run_stage(client, store, stage, missing, progress, failures)
        progress.close()
        if lost or failures:
            return lost
    return False
