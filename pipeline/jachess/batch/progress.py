"""Progress of a run on stderr: one line that is rewritten on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

from jachess.batch.planning import size

_QUIET = 5.0
"""Seconds between two lines where there is no terminal."""


@dataclass
class Progress:
    """Counts blocks and bytes.

    Attributes
    ----------
    name : str
        What is done to them.
    n_blocks, n_bytes : int
        What is to be done.
    before : int
        Blocks that were done when counting began.
    """

    name: str
    n_blocks: int
    n_bytes: int
    done: int = 0
    before: int = 0
    started: float = field(default_factory=time.monotonic)
    shown: float = field(default_factory=time.monotonic)

    def advance(self, n_blocks: int) -> None:
        """Count finished blocks and say so, if it is time."""
        self.reach(self.done + n_blocks)

    def reach(self, done: int) -> None:
        """So many blocks are done by now."""
        self.done = done
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if now - self.shown < (0.1 if terminal else _QUIET):
            return
        self.shown = now
        print(
            "\r" + self.line() if terminal else self.line(), end="" if terminal else "\n", file=sys.stderr, flush=True
        )

    def line(self) -> str:
        """Blocks, bytes, rate and time left."""
        elapsed = max(time.monotonic() - self.started, 1e-9)
        share, begun = self.done / max(self.n_blocks, 1), self.before / max(self.n_blocks, 1)
        moved = share - begun
        ahead = f"{elapsed * (1 - share) / moved:.0f} s left" if moved > 0 else "starting"
        rate = f"{size(share * self.n_bytes)}, {size(max(moved, 0) * self.n_bytes / elapsed)}/s"
        return f"{self.name} {self.done:,} of {self.n_blocks:,} blocks, {rate}, {ahead}    "

    def close(self) -> None:
        """End the line on a terminal."""
        if sys.stderr.isatty() and self.done:
            print("\r" + self.line(), file=sys.stderr, flush=True)


def tell(text: str) -> None:
    """Say something while progress is shown."""
    print(f"\r\033[Kjachess: {text}" if sys.stderr.isatty() else f"jachess: {text}", file=sys.stderr, flush=True)
