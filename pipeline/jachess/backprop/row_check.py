"""Rows of derivatives of each point's own values, against central differences along random directions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jachess.backprop.differences import STEP, Difference, residuals, second_look, tolerances
from jachess.backprop.propagation import Points
from jachess.backprop.row_products import products
from jachess.network.graph import Array

DIRECTIONS = 2

Draw = Callable[[Array], Array]
"""A random direction (n, M) for the points of these numbers, or (1, M) for all of them."""

Differ = Callable[[Points, Array, Array | float], Difference]
"""The differences (n, R) of some points along that direction, with the step or steps (n, 1)."""


def check_rows(points: Points, rows: Array, draw: Draw, differ: Differ) -> Array:
    """Residuals (n, R) of rows (n, R, M); those of points that fail or have no verdict are looked at once more.

    Returns
    -------
    array (n, R)
        Largest discrepancy of each row over its tolerance; NaN where there is no verdict.
    """
    everything = np.arange(len(rows))
    worst, step = _look(points, rows, everything, draw, differ, STEP)
    if (again := ~(worst <= 1).all(axis=1)).any():
        some = tuple(array[again] for array in points)
        second, _ = _look(some, rows[again], everything[again], draw, differ, step[again])
        worst[again] = second_look(worst[again], second)
    worst[~np.isfinite(rows).all(axis=2)] = np.inf
    return worst


def _look(
    points: Points, rows: Array, which: Array, draw: Draw, differ: Differ, step: Array | float
) -> tuple[Array, Array]:
    """Residuals (n, R) along random directions, NaN where none has a verdict; and a good step (n, 1) for the next."""
    directions, differences = [], []
    for _ in range(DIRECTIONS):
        directions.append(draw(which))
        differences.append(differ(points, directions[-1], step))
        step = differences[-1].better_step(axis=1)
    worst = np.full(rows.shape[:2], np.nan)
    for direction, difference, allowed in zip(directions, differences, tolerances(differences), strict=True):
        product, rounding = products(rows, direction[:, None, :])
        worst = np.fmax(worst, residuals(product - difference.value, allowed + rounding))
    return worst, np.asarray(step)
