"""The verdict on a store: what its residuals say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from jachess.batch.plan import Plan
from jachess.batch.quantities import QUANTITIES, Quantity
from jachess.batch.quantities.record import FurtherCheck
from jachess.checks.verdict import Finding, Verdict
from jachess.network.graph import Array

_WORST = 5


def judge(plan: Plan, residuals: Mapping[str, Callable[[], Iterator[tuple[tuple[int, ...], Array]]]]) -> Verdict:
    """The verdict from residuals, given for each quantity in pieces (offset of the piece, residuals)."""
    return Verdict({name: judge_rows(plan, QUANTITIES[name], pieces()) for name, pieces in residuals.items()})


def judge_rows(plan: Plan, record: Quantity | FurtherCheck, pieces: Iterator[tuple[tuple[int, ...], Array]]) -> Finding:
    """What the residuals of a check say."""
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
    named = tuple((record.row_name(plan, row), r) for r, row in worst)
    return Finding(rows, failed, unverified, largest, named, opponent=record.opponent, unit=record.unit)
