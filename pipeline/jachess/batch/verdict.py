"""The verdict on a result: what its residuals say, in numbers and in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jachess.batch.plan import Plan
from jachess.batch.quantities import QUANTITIES
from jachess.network.graph import Array

UNVERIFIED_SHARE = 0.01
"""Share of the rows of a quantity that may be without a verdict, because a kink lies within the step."""
_WORST = 5


@dataclass(frozen=True)
class Finding:
    """What the checks found in one quantity.

    Attributes
    ----------
    rows : int
        Rows that were checked.
    failed : int
        Rows whose discrepancy is above its tolerance.
    unverified : int
        Rows without a verdict.
    largest : float
        The largest residual: discrepancy over tolerance.
    worst : tuple of (row, residual)
        Names of failed rows, the worst first.
    opponent : str
        What the rows were compared with.
    """

    rows: int
    failed: int
    unverified: int
    largest: float
    worst: tuple[tuple[str, float], ...]
    opponent: str = "central differences"

    @property
    def passed(self) -> bool:
        """Whether no row failed and nearly all have a verdict."""
        return not self.failed and self.unverified <= UNVERIFIED_SHARE * self.rows


@dataclass(frozen=True)
class Verdict:
    """Whether a result is right, for each of its quantities."""

    findings: Mapping[str, Finding]

    @property
    def passed(self) -> bool:
        """Whether every quantity passed."""
        return all(finding.passed for finding in self.findings.values())

    def sentence(self) -> str:
        """The verdict in words."""
        failed = [name for name, finding in self.findings.items() if finding.failed]
        if failed:
            return "FAILED: " + "; ".join(_failure(name, self.findings[name]) for name in failed)
        unverified = [name for name, finding in self.findings.items() if not finding.passed]
        if unverified:
            shares = (f"{self.findings[n].unverified:,} of {self.findings[n].rows:,} rows of {n}" for n in unverified)
            return f"NOT VERIFIED: kinks forbid a verdict on {' and '.join(shares)}"
        return "verified: every row agrees with central differences"

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON can hold it."""
        quantities = {
            name: {**asdict(finding), "largest": _finite(finding.largest), "passed": finding.passed}
            for name, finding in self.findings.items()
        }
        return {"passed": self.passed, "sentence": self.sentence(), "quantities": quantities}


def _finite(number: float) -> float:
    return number if np.isfinite(number) else 1e308


def _failure(name: str, finding: Finding) -> str:
    rows = ", ".join(f"{row} ({residual:.3g} times its tolerance)" for row, residual in finding.worst)
    return f"{finding.failed:,} of {finding.rows:,} rows of {name} disagree with {finding.opponent}: {rows}"


def judge(plan: Plan, residuals: Mapping[str, Callable[[], Iterator[tuple[tuple[int, ...], Array]]]]) -> Verdict:
    """The verdict from residuals, given for each quantity in pieces (offset of the piece, residuals)."""
    return Verdict({name: _finding(plan, name, pieces()) for name, pieces in residuals.items()})


def _finding(plan: Plan, name: str, pieces: Iterator[tuple[tuple[int, ...], Array]]) -> Finding:
    rows = failed = unverified = 0
    largest, worst = 0.0, list[tuple[float, tuple[int, ...]]]()
    for offset, residual in pieces:
        rows += residual.size
        unverified += int(np.isnan(residual).sum())
        bad = np.argwhere(residual > 1)
        failed += len(bad)
        largest = max(largest, float(np.nanmax(residual, initial=0.0)))
        found = [
            (float(residual[tuple(i)]), tuple(int(a) + b for a, b in zip(i, offset, strict=True))) for i in bad[:1000]
        ]
        worst = sorted(worst + found, reverse=True)[:_WORST]
    record = QUANTITIES[name]
    named = tuple((record.row_name(plan, row), r) for r, row in worst)
    return Finding(rows, failed, unverified, largest, named, record.opponent)
