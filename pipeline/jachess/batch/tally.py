"""Totals of a run: where the workers' time went, what was written, how long blocks take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jachess.batch.measure import PARTS


@dataclass
class Tally:
    """What the tasks of a run measured, added up.

    Attributes
    ----------
    seconds : Counter
        Of all tasks, for each of `PARTS`.
    at_hand : float
        Seconds for which workers were there, busy or not.
    n_bytes : int
        Bytes written.
    peak : int
        The largest memory of a worker, in bytes.
    retries : int
        How often a block was begun again.
    longest : dict of (stage, quantity) to float
        Seconds of the longest block so far.
    """

    seconds: Counter[str] = field(default_factory=Counter)
    at_hand: float = 0.0
    n_bytes: int = 0
    peak: int = 0
    retries: int = 0
    longest: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, report: Mapping[str, Any]) -> None:
        """Add what a task reports: its stage, quantity and blocks, and a `Clock.reading`."""
        self.seconds.update(report["seconds"])
        self.n_bytes += report["bytes"]
        self.peak = max(self.peak, report["peak"])
        kind, a_block = (report["stage"], report["quantity"]), sum(report["seconds"].values()) / len(report["blocks"])
        self.longest[kind] = max(self.longest.get(kind, 0.0), a_block)

    def shares(self) -> dict[str, float]:
        """Seconds of the workers: for each of `PARTS`, and waiting."""
        waiting = max(self.at_hand - self.seconds.total(), 0.0)
        return {**{part: self.seconds[part] for part in PARTS}, "waiting": waiting}

    def sentence(self) -> str:
        """Those seconds as shares, for people."""
        shares = self.shares()
        total = sum(shares.values()) or 1.0
        return ", ".join(f"{part} {spent / total:.0%}" for part, spent in shares.items()) + " of the workers' time"

    def as_dict(self) -> dict[str, Any]:
        """Seconds, bytes, peak memory and retries, as JSON can hold them."""
        seconds = {part: round(spent, 3) for part, spent in self.shares().items()}
        return {"seconds": seconds, "bytes": self.n_bytes, "peak": self.peak, "retries": self.retries}
