"""What a task measures of itself: the seconds of each of its parts, the bytes it wrote, and its peak of memory."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

Item = TypeVar("Item")

PARTS = ("kernels", "checks", "writing")
"""Where the time of a task goes; what no part claims is the kernels'."""


class Clock:
    """Seconds of each part of a task.

    Attributes
    ----------
    seconds : dict of str to float
        For each of `PARTS`.
    n_bytes : int
        Bytes that the task has written.
    """

    def __init__(self, part: str = PARTS[0]) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.n_bytes = 0
        self._part, self._since = part, perf_counter()

    def turn_to(self, part: str) -> str:
        """Count the time from now on to a part; the one before it is returned."""
        now = perf_counter()
        self.seconds[self._part] += now - self._since
        before, self._part, self._since = self._part, part, now
        return before

    def reading(self) -> dict[str, Any]:
        """Seconds, bytes and peak memory up to now, as JSON can hold them."""
        self.turn_to(self._part)
        seconds = {part: round(spent, 6) for part, spent in self.seconds.items()}
        return {"seconds": seconds, "bytes": self.n_bytes, "peak": peak_memory()}


_clock: ContextVar[Clock | None] = ContextVar("clock", default=None)


@contextmanager
def measured(part: str = PARTS[0]) -> Iterator[Clock]:
    """Measure what is inside, in this thread; it begins with ``part``."""
    forget_peak()
    clock = Clock(part)
    token = _clock.set(clock)
    try:
        yield clock
    finally:
        _clock.reset(token)


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Count what is inside to a part, if anybody measures."""
    clock = _clock.get()
    if clock is None:
        yield
        return
    before = clock.turn_to(part)
    try:
        yield
    finally:
        clock.turn_to(before)


def each_timed(part: str, items: Iterable[Item]) -> Iterator[Item]:
    """The same items; the time in which they are made counts to a part."""
    source = iter(items)
    while True:
        with timed(part):
            try:
                item = next(source)
            except StopIteration:
                return
        yield item


def forget_peak() -> None:
    """Let the peak of memory begin anew, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # not Linux, or not allowed: then the peak is that of the process so far
        return


def peak_memory() -> int:
    """Bytes of memory that this process held at most since `forget_peak`, or ever."""
    try:
        text = Path("/proc/self/status").read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
