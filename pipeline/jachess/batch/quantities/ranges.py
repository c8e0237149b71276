"""Sums over many points, split into ranges of points: partial sums are kept in the store until the whole is sealed.

Where there are few sums, each over many points, a range of points is what one task takes. How a job is split hangs on
its plan alone, and partial sums are added in pairs, in their order, so that neither the number of workers nor the order
in which they finish changes a bit of the result.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from jachess.batch.plan import Plan
from jachess.network.graph import Array

FOLDER = "partial_sums"
"""The group of the store that holds them while a job runs."""
TASKS = 64
"""Tasks that all sums of a quantity are split into, at most: more sums than half of that are not split."""
LEAST_POINTS = 8192
"""Points of a range, at least: fewer are not worth a partial sum on the disk."""


def n_ranges(plan: Plan, n_sums: int, most: int = TASKS) -> int:
    """Ranges of the points that are computed, into which each of so many sums is split, at ``most``; 1 if it is not."""
    return -(-(plan.n_points - plan.n_before) // _points_of_range(plan, n_sums, most))


def range_span(plan: Plan, n_sums: int, number: int, most: int = TASKS) -> slice:
    """The points of a range."""
    length = _points_of_range(plan, n_sums, most)
    start = plan.n_before + number * length
    return slice(start, min(start + length, plan.n_points))


def _points_of_range(plan: Plan, n_sums: int, most: int) -> int:
    """Whole chunks of points, as many for each range but the last."""
    n_points = plan.n_points - plan.n_before
    wanted = max(1, min(most, TASKS // max(1, n_sums), n_points // LEAST_POINTS))
    n_chunks = -(-n_points // plan.points_at_once)
    return -(-n_chunks // wanted) * plan.points_at_once


def pairwise_sum(parts: Iterable[Array]) -> Array:
    """The sum of arrays, by a tree whose shape hangs on their number alone; few of them are held at a time."""
    held: list[tuple[int, Array]] = []
    for part in parts:
        level, total = 0, part
        while held and held[-1][0] == level:
            level, total = level + 1, held.pop()[1] + total
        held.append((level, total))
    total = held.pop()[1]
    while held:
        total = held.pop()[1] + total
    return total


def worst_of_ranges(residuals: Array) -> Array:
    """Residuals of sums from those of their ranges (ranges, …): NaN where one has no verdict and none has failed.

    Each discrepancy is at most so many times its tolerance, so is their sum of the tolerances' sum.
    """
    worst = np.fmax.reduce(residuals)
    return np.asarray(np.where(np.isnan(residuals).any(axis=0) & ~(worst > 1), np.nan, worst))
