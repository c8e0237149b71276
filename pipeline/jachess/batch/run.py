"""Running a job: lock, store, blocks through Dask in a sliding window, verdict."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from distributed import Client, as_completed

from jachess.batch.clusters import n_workers, workers
from jachess.batch.job import Job
from jachess.batch.lock import Lock
from jachess.batch.plan import Plan
from jachess.batch.planning import check_disk, disk_bytes, size, task_memory
from jachess.batch.prepare import Prepared, axis_labels, prepare, versions
from jachess.batch.progress import Progress
from jachess.batch.quantities import QUANTITIES, Context
from jachess.batch.store import Store, create_store, remove_leftovers
from jachess.batch.tasks import WorkerContext, is_done, run_block
from jachess.batch.verdict import Verdict, judge
from jachess.errors import IncompleteError, PlanError, StoreError
from jachess.network.graph import Array

ATTEMPTS = 3
"""How often a block is tried before it is given up."""
REBUILDS = 3
"""How often a lost cluster is started again."""

Block = tuple[str, int]


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes
    ----------
    path : Path
        The store.
    verdict : Verdict
    n_blocks, n_computed : int
        Blocks of the job, and how many of them this run computed.
    seconds : float
    """

    path: Path
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
    return prepare(job, _free_memory(job))


def run_job(job: Job) -> Outcome:
    """Compute a job, or what is missing of it; a job that is complete is left as it is.

    Raises
    ------
    InputError
        If the job is refused: nothing has been written.
    IncompleteError
        If blocks are missing in the end; the same call resumes.
    """
    started, path = time.monotonic(), Path(job.out)
    prepared = plan_job(job)
    with _existing_parent(path), Lock(path):
        remove_leftovers(path)
        store = _open_or_create(prepared, path)
        prepared = replace(prepared, plan=store.plan)
        missing = _missing(store)
        total = sum(QUANTITIES[name].n_blocks(store.plan) for name in store.plan.quantities)
        if missing:
            check_disk(store.plan, path, disk_bytes(store.plan) * (total - len(missing)) // total)
            store.sweep()
            store.update_attributes({"state": "running"})
            _compute(prepared, store, missing)
        verdict = _seal(store) if missing or store.attributes["state"] == "running" else _verdict(store)
        return Outcome(path, store.plan, verdict, total, len(missing), time.monotonic() - started)


class _existing_parent:
    """The folder that the store goes to must be there and writable; it is not made by accident."""

    def __init__(self, path: Path) -> None:
        parent = path.absolute().parent
        if not parent.is_dir():
            raise StoreError(f"{path}: its folder does not exist. Create it first: mkdir -p {parent}")
        if not os.access(parent, os.W_OK):
            raise StoreError(f"{path}: its folder cannot be written. Choose another place.")

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None


def _free_memory(job: Job) -> int | None:
    """Memory of a local worker: its share of what is free, with a fifth left for everybody else."""
    if job.cluster or job.scheduler or not hasattr(os, "sysconf"):
        return None
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    return int(0.8 * free / n_workers(job))


def _open_or_create(prepared: Prepared, path: Path) -> Store:
    plan = prepared.plan
    if not path.exists():
        check_disk(plan, path)
        attributes = {
            "title": "Derivatives of a neural network, computed by jachess",
            "state": "running",
            "job": _job_record(prepared.job),
            "versions": versions(),
            "created_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        return create_store(path, plan, attributes, axis_labels(plan, prepared.network))
    store = Store(path)
    differences = _differences(store.plan, plan)
    if differences:
        raise StoreError(
            f"{path}: holds the result of another job (different: {'; '.join(differences)}). "
            "Choose another place, or remove it."
        )
    memory = prepared.job.memory or _free_memory(prepared.job)
    if memory is not None and task_memory(store.plan) > memory and store.attributes["state"] == "running":
        raise PlanError(
            f"memory: the blocks of {path} need more (wanted {size(task_memory(store.plan))} a worker; "
            f"got {size(memory)}). Allow more, or start again in another place."
        )
    return store


def _job_record(job: Job) -> dict[str, Any]:
    points = {name or "points": str(Path(path).absolute()) for name, path in job.points}
    targets = None if job.targets is None else str(Path(job.targets).absolute())
    return {**job.identity(), "network": str(Path(job.network).absolute()), "points": points, "targets": targets}


def _differences(stored: Plan, wanted: Plan) -> list[str]:
    found = [name for name in stored.fingerprints if stored.fingerprints[name] != wanted.fingerprints.get(name)]
    found += [
        f"{key} (stored {value}, asked for {wanted.identity.get(key)})"
        for key, value in stored.identity.items()
        if value != wanted.identity.get(key)
    ]
    return found


def _missing(store: Store) -> list[Block]:
    return [
        (name, block)
        for name in store.plan.quantities
        for block, done in enumerate(store.done(name).tolist())
        if not done
    ]


def _compute(prepared: Prepared, store: Store, missing: list[Block]) -> None:
    """Compute the missing blocks, on a new cluster if one is lost."""
    total = sum(QUANTITIES[name].n_blocks(store.plan) for name in store.plan.quantities)
    progress = Progress(len(missing), disk_bytes(store.plan) * len(missing) // total)
    context = Context(prepared.network, prepared.head, prepared.source, store.plan)
    memory = prepared.job.memory or _free_memory(prepared.job) or 0
    failures: dict[Block, str] = {}
    for _ in range(REBUILDS):
        with workers(prepared.job, max(memory, task_memory(store.plan))) as client:
            client.register_plugin(WorkerContext(context, store.path.absolute()))
            lost = _submit_all(client, store, missing, progress, failures)
        missing = [block for block in _missing(store) if block not in failures]
        if not lost or not missing:
            break
    progress.close()
    if failures or missing:
        lines = [f"{name}, {QUANTITIES[name].label(store.plan, b)}: {text}" for (name, b), text in failures.items()]
        raise IncompleteError(
            f"{store.path}: {len(missing) + len(failures)} blocks are missing. Repeat the command to go on.\n"
            + "\n".join(lines[:10])
        )


def _submit_all(
    client: Client, store: Store, missing: list[Block], progress: Progress, failures: dict[Block, str]
) -> bool:
    """Send blocks in a sliding window and look at nothing but their status; True if the scheduler was lost.

    Results stay where they are, in the store: a task that Dask calls lost may well be done there.
    """
    waiting, attempts = deque(missing), Counter[Block]()
    window = max(64, 4 * sum(client.nthreads().values()))
    keys: dict[str, Block] = {}

    def submit(blocks: Iterator[Block]) -> list[Any]:
        futures = []
        for name, block in blocks:
            key = f"{name}-{block}-{attempts[name, block]}-{id(keys):x}"
            keys[key] = (name, block)
            futures.append(client.submit(run_block, name, block, key=key, pure=False))
        return futures

    def take(count: int) -> Iterator[Block]:
        return islice(iter(waiting.popleft, None), min(count, len(waiting)))

    running = as_completed(submit(take(window)))
    for batch in running.batches():
        free = 0
        for future in batch:
            status, block = future.status, keys.pop(future.key)
            error = _error_of(future) if status == "error" else ""
            future.release()
            if status == "finished" or is_done(store, *block):
                progress.advance(1)
                free += 1
                continue
            if client.status != "running" or (status in ("cancelled", "lost") and not client.nthreads()):
                return True
            attempts[block] += 1
            if attempts[block] < ATTEMPTS:
                waiting.append(block)
            else:
                failures[block] = error or status
            free += 1
        if waiting and free:
            running.update(submit(take(free)))
    return False


def _error_of(future: Any) -> str:
    try:
        error = future.exception(timeout=5)
        return f"{type(error).__name__}: {error}"
    except Exception as unreachable:  # its worker may be gone, or the error not survive its journey
        return type(unreachable).__name__


def _pieces(store: Store, name: str) -> Callable[[], Iterator[tuple[tuple[int, ...], Array]]]:
    spec = next(s for s in QUANTITIES[name].arrays(store.plan) if s.name == QUANTITIES[name].residual)

    def pieces() -> Iterator[tuple[tuple[int, ...], Array]]:
        for number in range(spec.grid[0]):
            span = slice(number * spec.chunks[0], min((number + 1) * spec.chunks[0], spec.shape[0]))
            rest = tuple(slice(0, length) for length in spec.shape[1:])
            yield (span.start, *(0 for _ in rest)), store.read(spec.name, (span, *rest))

    return pieces


def _verdict(store: Store) -> Verdict:
    checked = [name for name in store.plan.quantities if QUANTITIES[name].residual is not None]
    return judge(store.plan, {name: _pieces(store, name) for name in checked})


def _seal(store: Store) -> Verdict:
    """Judge the result and write the verdict; the state comes with it, last."""
    verdict = _verdict(store)
    store.update_attributes(
        {
            "state": "complete" if verdict.passed else "failed",
            "verdict": verdict.as_dict(),
            "finished_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
    )
    return verdict
