"""Going once through a stored array, piece by piece, in threads, with what is in flight bounded."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 2.0
"""Seconds after which something that takes long says so."""
_QUIET = 5.0
"""Seconds between two lines where there is no terminal."""


def map_in_order(function: Callable[[T], R], items: Iterable[T], n_threads: int) -> Iterator[R]:
    """What ``function`` returns for each item, in their order; it runs in threads, a few items ahead."""
    with ThreadPoolExecutor(n_threads) as threads:
        ahead: deque[Future[R]] = deque()
        for item in items:
            if len(ahead) > n_threads:
                yield ahead.popleft().result()
            ahead.append(threads.submit(function, item))
        while ahead:
            yield ahead.popleft().result()


@dataclass
class Passes:
    """Counts pieces of one or more passes over an array, and says on stderr how far they are.

    Attributes
    ----------
    name : str
        What goes on.
    n_pieces : int
        Pieces of one pass.
    n_passes : int
        How many there will be; 0 if that is not known.
    unit : str
        What passes are called where that is not known.
    """

    name: str
    n_pieces: int
    n_passes: int = 1
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    shown: float = 0.0
    unit: str = "passes"

    def advance(self, pieces: int = 1) -> None:
        """Count pieces that are done, and say so if it is time."""
        self.done += pieces
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if now - self.started > PATIENCE and now - self.shown > (0.2 if terminal else _QUIET):
            self.shown = now
            print(("\r" if terminal else "") + self.line(), end="" if terminal else "\n", file=sys.stderr, flush=True)

    def line(self) -> str:
        """How far it is."""
        elapsed, passes = time.monotonic() - self.started, self.done / max(self.n_pieces, 1)
        if not self.n_passes:
            return f"{self.name}: {passes:.1f} {self.unit}, {elapsed:.0f} s    "
        share = passes / self.n_passes
        return f"{self.name}: {share:.0%}, {elapsed * (1 - share) / max(share, 1e-9):.0f} s left    "

    def close(self) -> None:
        """End the line on a terminal, if there is one."""
        if self.shown and sys.stderr.isatty():
            print(file=sys.stderr)
