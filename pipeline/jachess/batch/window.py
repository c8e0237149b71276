"""Blocks on their way through Dask: a sliding window of tasks, refilled as they end.

The scheduler never holds more than the window, and nothing but a task's status is looked at. Results stay where they
are, in the store: a task that Dask calls lost may well be done there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
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
    n_threads = sum(client.nthreads().values())
    waiting, attempts, pace = Queue(missing), Counter[Block](), Pace(n_threads)
    window = max(64, 4 * n_threads)
    tasks: dict[str, list[Block]] = {}

    def submit(count: int) -> Iterator[Any]:
        for _ in range(count):
            blocks = waiting.take(pace)
            if not blocks:
                return
            name, first = blocks[0]
            key = f"{name}-{first}-{stage.name}-{attempts[blocks[0]]}-{id(tasks):x}"
            tasks[key] = blocks
            yield client.submit(stage.task, name, tuple(block for _, block in blocks), key=key, pure=False)

    running = as_completed(list(submit(window)))
    for batch in running.batches():
        free = 0
        for future in batch:
            status, blocks = future.status, tasks.pop(future.key)
            error = _error_of(future) if status == "error" else ""
            future.release()
            free += 1
            if status == "finished":
                done = len(blocks)
                pace.finished(blocks[0][0], done)
            else:
                left = [block for block in blocks if not stage.is_done(store, *block)]
                done = len(blocks) - len(left)
                if left and (client.status != "running" or (status in ("cancelled", "lost") and not client.nthreads())):
                    return True
                for block in left:
                    attempts[block] += len(blocks) == 1
                    if attempts[block] < ATTEMPTS:
                        waiting.put_alone(block)
                    else:
                        failures[block] = error or status
            progress.advance(done)
        running.update(list(submit(free)))
    return False


def _error_of(future: Any) -> str:
    try:
        error = future.exception(timeout=5)
        return f"{type(error).__name__}: {error}"
    except Exception as unreachable:  # its worker may be gone, or the error not survive its journey
        return type(unreachable).__name__
