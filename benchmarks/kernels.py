"""Our kernels beside their peers: separate processes, turn by turn, on the same numbers."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.cases import Case
from benchmarks.contender import Contender
from benchmarks.peers import gemm

WAYS = {
    "with_jax": {
        "jacobian": ("vmap(jacrev)", "vmap(jacfwd)"),
        "hessian": ("jax.hessian", "lax.map, 64", "lax.map, 256"),
    },
    "with_torch": {"jacobian": ("vmap(jacrev)", "vmap(jacfwd)"), "hessian": ("chunk_size 64", "chunk_size 256")},
}
SLOW, VERY_SLOW = 3.0, 20.0
"""Seconds; a peer that takes longer runs three times only, or not again after its first, compiling run."""


@dataclass(frozen=True)
class Entry:
    """What one contender needed: medians of all turns, and how far its numbers are from ours."""

    name: str
    seconds: float
    peak: float
    difference: float
    n_turns: int


@dataclass(frozen=True)
class Outcome:
    """Ours, the machine's GEMM rate in the same minutes, and the peers, the fastest first."""

    case: Case
    ours: Entry
    gemm_rate: float
    peers: tuple[Entry, ...]
    failed: tuple[str, ...]
    versions: tuple[str, ...]

    @property
    def ratio(self) -> float | None:
        """How many times faster than the fastest peer."""
        return self.peers[0].seconds / self.ours.seconds if self.peers else None

    @property
    def share(self) -> float | None:
        """The share of the GEMM rate at which the formula's own operations are done, if they are counted."""
        operations = self.case.operations()
        return None if operations is None else operations / self.ours.seconds / self.gemm_rate


def measure(cases: Iterable[Case], pythons: dict[str, str], turns: int) -> Iterator[Outcome]:
    """Let all contenders of each case run in turns."""
    for case in cases:
        ways = [("ours", "jachess"), ("gemm", "GEMM")]
        ways += [(peer, way) for peer in pythons if peer in WAYS for way in WAYS[peer][case.quantity]]
        contenders = [Contender(pythons.get(peer, sys.executable), peer, way, case) for peer, way in ways]
        for turn in range(turns):
            for one in contenders:
                if one.first is not None and one.first["seconds"] < (VERY_SLOW if turn < 3 else SLOW):
                    one.run()
                    time.sleep(0.5)  # threads that spin on after a turn go to sleep
        for one in contenders:
            one.close()
        yield _outcome(case, contenders)


def _outcome(case: Case, contenders: list[Contender]) -> Outcome:
    ours, rate, *peers = contenders
    assert ours.first is not None, f"{case}: our own run failed"
    assert rate.first is not None
    entries = [_entry(one, ours) for one in peers if one.alive]
    return Outcome(
        case,
        _entry(ours, ours),
        gemm.operations() / median(rate.times),
        tuple(sorted(entries, key=lambda entry: entry.seconds)),
        tuple(_name(one) for one in peers if not one.alive),
        tuple(sorted({one.first["version"] for one in contenders if one.first is not None and one is not rate})),
    )


def _entry(one: Contender, ours: Contender) -> Entry:
    """Medians, and the largest difference of the projections over the result's norm."""
    assert one.first is not None
    assert ours.first is not None
    (mine, (norm,)), (theirs, _) = ours.first["projections"], one.first["projections"]
    difference = max(abs(a - b) for a, b in zip(mine, theirs, strict=True)) / norm
    times = one.times or [one.first["seconds"]]
    return Entry(_name(one), median(times), one.peak, difference, len(times))


def _name(one: Contender) -> str:
    return f"{one.peer.removeprefix('with_')} {one.way}"
