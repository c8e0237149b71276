"""Blocks that are too short for the scheduler go together in one task, as many as the pace so far suggests.

What a task costs the scheduler, about a millisecond, must stay small beside what it does; nor may the tasks of a
thousand workers end more often than one scheduler can follow. Which blocks go together changes no byte of the result.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from jachess.batch.tasks import Block

TASK_SECONDS = 0.25
"""How long a task of several blocks should take, at least."""
TASKS_A_SECOND = 200
"""What the scheduler is asked to follow."""
LARGEST = 256
"""Blocks of one task, at most."""
_INTERVAL = 0.5
"""Seconds over which the pace is measured."""


@dataclass
class Pace:
    """How many blocks of each quantity go into one task, from how fast they have been finished lately.

    Attributes
    ----------
    n_threads : int
        Of all workers.
    """

    n_threads: int
    _sizes: dict[str, int] = field(default_factory=dict)
    _finished: Counter[str] = field(default_factory=Counter)
    _since: dict[str, float] = field(default_factory=dict)

    def size(self, name: str, n_waiting: int) -> int:
        """Blocks of the next task; towards the end fewer, so that all workers stay busy."""
        return max(1, min(self._sizes.get(name, 1), n_waiting // (2 * self.n_threads)))

    def finished(self, name: str, n_blocks: int) -> None:
        """Count blocks that have been finished."""
        now = time.monotonic()
        self._finished[name] += n_blocks if name in self._since else 0
        elapsed = now - self._since.setdefault(name, now)
        if elapsed > _INTERVAL:
            a_block = elapsed * self.n_threads / self._finished[name]
            wanted = max(TASK_SECONDS, self.n_threads / TASKS_A_SECOND) / a_block
            self._sizes[name] = max(1, min(int(wanted), 4 * self._sizes.get(name, 1), LARGEST))
            self._finished[name], self._since[name] = 0, now


class Queue:
    """Blocks that wait for a task."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._waiting, self._alone = deque(blocks), deque[Block]()

    def take(self, pace: Pace) -> tuple[str, list[int]]:
        """The quantity and the blocks of the next task; no blocks if none wait."""
        if not self._waiting:
            name, block = self._alone.popleft() if self._alone else ("", -1)
            return name, [block] if name else []
        name, taken = self._waiting[0][0], list[int]()
        for _ in range(pace.size(name, len(self._waiting))):
            if self._waiting[0][0] != name:
                break
            taken.append(self._waiting.popleft()[1])
        return name, taken

    def put_alone(self, block: Block) -> None:
        """A block that must not share its next task, since one of those that went together failed."""
        self._alone.append(block)
