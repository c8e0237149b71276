"""The verdict on a store: what its residuals say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from jachess.batch.plan import Plan
from jachess.batch.quantities import QUANTITIES, FurtherCheck, Quantity
from jachess.batch.quantities.record import Row
from jachess.checks.verdict import Around, Finding, Verdict
from jachess.network.graph import Array

_WORST = 5


def judge(plan: Plan, residuals: Mapping[str, Callable[[], Iterator[tuple[tuple[int, ...], Array]]]]) -> Verdict:
    """The verdict from residuals, given for each quantity in pieces (offset of the piece, residuals)."""
    return Verdict({name: judge_rows(plan, QUANTITIES[name], pieces()) for name, pieces in residuals.items()})


def judge_rows(
    plan: Plan,
    record: Quantity | FurtherCheck,
    pieces: Iterable[tuple[Row, Array]],
    look_closer: Callable[[Row], Around] | None = None,
) -> Finding:
    """What the residuals of a check say, with a closer look at the worst row if one can be had."""
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
    around = look_closer(worst[0][1]) if worst and look_closer else None
    return Finding(rows, failed, unverified, largest, named, opponent=record.opponent, unit=record.unit, around=around)
