"""Blocks on their way through Dask: a sliding window of tasks, refilled as they end.

The scheduler never holds more than the window, and nothing but a task's status is looked at. Results stay where they
are, in the store: a task that Dask calls lost may well be done there.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from distributed import Client, as_completed

from jachess.batch.progress import Progress
from jachess.batch.store import Store
from jachess.batch.tasks import Block, Stage

ATTEMPTS = 3
"""How often a block is tried before it is given up."""


def run_stage(
    client: Client, store: Store, stage: Stage, missing: list[Block], progress: Progress, failures: dict[Block, str]
) -> bool:
    """Do to each block what the stage says; True if the scheduler was lost on the way.

    Parameters
    ----------
    failures : dict of block to text
        Blocks that failed `ATTEMPTS` times are put here.
    """
    waiting, attempts = deque(missing), Counter[Block]()
    window = max(64, 4 * sum(client.nthreads().values()))
    keys: dict[str, Block] = {}

    def submit(blocks: Iterator[Block]) -> list[Any]:
        futures = []
        for name, block in blocks:
            key = f"{name}-{block}-{stage.name}-{attempts[name, block]}-{id(keys):x}"
            keys[key] = (name, block)
            futures.append(client.submit(stage.task, name, block, key=key, pure=False))
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
            if status == "finished" or stage.is_done(store, *block):
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
