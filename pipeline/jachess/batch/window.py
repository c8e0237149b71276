"""Blocks on their way through Dask: a sliding window of tasks, refilled as they end.

The scheduler never holds more than the window, and nothing but a task's status is looked at. Results stay where they
are, in the store: a task that Dask calls lost may well be done there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

from distributed import Client, as_completed

from jachess.batch.grouping import Pace, Queue
from jachess.batch.progress import Progress
from jachess.batch.store import Store
from jachess.batch.tasks import Block, Stage

ATTEMPTS = 3
"""How often a block is tried before it is given up."""


def run_stage(
    client: Client, store: Store, stage: Stage, missing: list[Block], progress: Progress, failures: dict[Block, str]
) -> bool:
    """Do to each block what the stage says; True if the scheduler was lost on the way.

    Short blocks go together in one task; if that fails, each of them goes alone.

    Parameters
    ----------
    failures : dict of block to text
        Blocks that failed `ATTEMPTS` times are put here.
    """
    n_threads = max(1, sum(client.nthreads().values()))
    waiting, attempts, pace, numbers = Queue(missing), Counter[Block](), Pace(n_threads), count()
    window = max(64, 4 * n_threads)
    tasks: dict[str, tuple[str, list[int]]] = {}

    def submit(count: int) -> Iterator[Any]:
        for _ in range(count):
            name, blocks = waiting.take(pace)
            if not blocks:
                return
            key = f"{name}-{blocks[0]}-{stage.name}-{next(numbers)}-{id(tasks):x}"
            tasks[key] = name, blocks
            yield client.submit(stage.task, name, blocks, key=key, pure=False)

    running = as_completed(list(submit(window)))
    for batch in running.batches():
        free = 0
        for future in batch:
            status, (name, blocks) = future.status, tasks.pop(future.key)
            error = _error_of(future) if status == "error" else ""
            future.release()
            free += 1
            if status == "finished":
                pace.finished(name, len(blocks))
            left = [] if status == "finished" else stage.left(store, name, blocks)
            progress.advance(len(blocks) - len(left))
            if left and (client.status != "running" or (status in ("cancelled", "lost") and not client.nthreads())):
                return True
            for block in left:
                attempts[name, block] += len(blocks) == 1
                if attempts[name, block] < ATTEMPTS:
                    waiting.put_alone((name, block))
                else:
                    failures[name, block] = error or status
        running.update(list(submit(free)))
    return False


def _error_of(future: Any) -> str:
    try:
        error = future.exception(timeout=5)
        return f"{type(error).__name__}: {error}"
    except Exception as unreachable:  # its worker may be gone, or the error not survive its journey
        return type(unreachable).__name__
