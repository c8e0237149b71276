"""Workers that hang: those that hold a block for longer than blocks take.

Dask itself starts a worker again whose process gives no sign of life; a task that never ends escapes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

PATIENCE = 600.0
"""Seconds that a block may always take."""
LONGER = 10
"""How many times the longest block of its kind so far a block may take."""
SLOWEST = 1e8
"""Operations a second, a hundredth of what a core usually does: bounds a block before any of its kind has ended."""


def limit(patience: float, longest: float | None, operations: float, attempts: int) -> float:
    """Seconds after which a block counts as hanging.

    Parameters
    ----------
    patience : float
        Seconds that any block may take.
    longest : float or None
        Seconds of the longest block of its kind so far, if one has ended.
    operations : float
        Those of the block, by the plan.
    attempts : int
        How often it failed already: each time it is given twice as long.
    """
    usual = LONGER * longest if longest is not None else operations / SLOWEST
    return float(max(patience, usual) * 2**attempts)


@dataclass
class Watch:
    """Knows since when each worker has been at its task.

    Workers tell when they begin a task. A worker that holds tasks and has told of none, because it hung too early,
    counts as being at one of them for as long as it has held the same ones.

    Attributes
    ----------
    limit : str -> float
        How long a task, by its key, may take.
    """

    limit: Callable[[str], float]
    _began: dict[str, tuple[str, float]] = field(default_factory=dict)
    _quiet: dict[str, tuple[list[str], float]] = field(default_factory=dict)

    def begins(self, worker: str, key: str, now: float) -> None:
        """A worker has told that it begins a task."""
        self._began[key] = worker, now

    def hanging(self, held: Mapping[str, list[str]], now: float) -> dict[str, tuple[str, float]]:
        """Workers that hang, with the key of the task they hang at, and for how long they have been at it.

        Parameters
        ----------
        held : mapping of worker to keys
            The tasks that each worker holds at this moment, in a steady order.
        now : float
            Seconds of any clock.
        """
        self._began = {key: self._began[key] for keys in held.values() for key in keys if key in self._began}
        self._quiet = {
            worker: self._quiet[worker] if worker in self._quiet and self._quiet[worker][0] == keys else (keys, now)
            for worker, keys in held.items()
        }
        found = {}
        for worker, keys in held.items():
            begun = [key for key in keys if self._began.get(key, ("", 0))[0] == worker]
            for key in begun:
                if now - self._began[key][1] > self.limit(key):
                    found[worker] = key, now - self._began[key][1]
            if keys and not begun and now - self._quiet[worker][1] > max(map(self.limit, keys)):
                found[worker] = keys[0], now - self._quiet[worker][1]
        return found
