"""All cores for one call: blocks in threads, with one BLAS thread each.

BLAS threads help only inside the products, threads over blocks in the elementwise work as well; NumPy lets go of the
interpreter's lock in both.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

from jachess.network.working_arrays import give_back

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


def n_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def on_all_cores(function: Callable[P, R]) -> Callable[P, R]:
    """A function that runs with one BLAS thread from its start to its end, and keeps little memory after it.

    A single product with several would leave threads behind that spin for some 20 ms, on the cores that ours need.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with _blas().limit(limits=1):
                return function(*args, **kwargs)
        finally:
            give_back()

    return limited


@cache
def _threads(number: int) -> ThreadPoolExecutor:
    """Kept from one call to the next: a thread's own memory is handed out anew for each thread."""
    return ThreadPoolExecutor(number, "jachess")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)


def map_all(function: Callable[[T], R], blocks: Iterable[T]) -> Iterator[R]:
    """Call ``function`` for each block, on all cores, and yield what it returns in the blocks' order.

    ``function`` must not come here itself.
    """
    waiting = list(blocks)
    if len(waiting) == 1 or n_cores() == 1:
        yield from map(function, waiting)
        return
    futures = deque(_threads(n_cores()).submit(function, block) for block in waiting)
    try:
        while futures:
            yield futures.popleft().result()
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


def for_all(function: Callable[[T], None], blocks: Iterable[T]) -> None:
    """Call ``function`` for each block, on all cores; the first error is raised."""
    for _ in map_all(function, blocks):
        pass
