"""Bytes of what the tasks of several quantities hold."""

from __future__ import annotations

from jachess.batch.plan import Plan
from jachess.network.working_arrays import KEPT

DIFFERENCE = 15
"""Arrays as large as all values while gradients are differenced: values at five places, cotangents, and sides."""


def pass_memory(plan: Plan, n_points: int, n_arrays: int, rows: int = 1) -> int:
    """Bytes of so many arrays as large as all values of some points, and of spare buffers.

    What one operation makes on the way is there once, for as many rows of tangents as pass together.
    """
    values, working = n_arrays * (plan.value_width + plan.n_inputs), rows * plan.working_width
    return with_spare(8 * n_points * values) + 8 * n_points * working


def differenced_memory(plan: Plan, n_points: int) -> int:
    """Bytes of the values of some points at all places from which differences of their own are made."""
    return 8 * n_points * (12 * (plan.value_width + plan.n_inputs) + plan.working_width)


def with_spare(working: int) -> int:
    """Bytes of working arrays, and of those that are kept to be used again."""
    return working + min(working, KEPT)
