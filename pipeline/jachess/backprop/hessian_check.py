"""Checks of the gradient and of Hessian rows: along random directions of the weights, and element by element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jachess.backprop.differences import (
    STEP,
    Difference,
    products,
    random_direction,
    residuals,
    second_look,
    tolerances,
)
from jachess.backprop.gradient_difference import (
    GradientDifference,
    difference_of_gradient,
    slope_residuals,
    weight_sizes,
)
from jachess.backprop.propagation import Chunks
from jachess.network.graph import Array
from jachess.network.head import Head

DIRECTIONS = 2
SAMPLES = 4


def check_gradient(head: Head, chunks: Chunks, claimed: Array, seed: tuple[int, ...]) -> Array:
    """Residuals (DIRECTIONS,) of ∂E/∂w · v against central differences of E; NaN where kinks forbid a verdict."""
    random, size = np.random.default_rng(seed), weight_sizes(head.network)
    if not np.isfinite(claimed).all():
        return np.full(DIRECTIONS, np.inf)

    def look(step: float) -> tuple[Array, float]:
        directions, differences = [], []
        for _ in range(DIRECTIONS):
            directions.append(random_direction(size, random))
            differences.append(difference_of_gradient(head, chunks, directions[-1], random, step))
            step = float(differences[-1].error.better_step()[0])
        return slope_residuals([claimed] * DIRECTIONS, directions, differences), step

    found, step = look(STEP)
    return found if (found <= 1).all() else second_look(found, look(step)[0])


@dataclass(frozen=True)
class HessianCheck:
    """What the check of some rows of H found.

    Attributes
    ----------
    residual : array (rows,)
        Largest discrepancy of each row over its tolerance; NaN where kinks forbid a verdict.
    samples : array (SAMPLES, 5)
        Row and column in w, analytical, numerical, residual.
    """

    residual: Array
    samples: Array


def check_hessian_rows(
    head: Head, chunks: Chunks, block: Array, rows: slice, columns: slice, seed: tuple[int, ...]
) -> HessianCheck:
    """Compare the block H[rows, columns] with central differences of the gradient, in float64.

    The directions are zero outside ``columns``, so that the block alone must explain the difference.
    """
    random, size = np.random.default_rng(seed), np.zeros(head.network.n_weights)
    size[columns] = weight_sizes(head.network)[columns]

    def look(step: float) -> tuple[Array, float]:
        directions, differences = [], []
        for _ in range(DIRECTIONS):
            directions.append(random_direction(size, random))
            differences.append(difference_of_gradient(head, chunks, directions[-1], random, step))
            step = float(differences[-1].gradient.better_step()[0])
        return _row_residuals(head, block, rows, columns, directions, differences), step

    worst, step = look(STEP)
    if (worst > 1).any():
        worst = second_look(worst, look(step)[0])
    worst[~np.isfinite(block).all(axis=1)] = np.inf
    return HessianCheck(worst, _samples(head, chunks, block, rows, columns, size, random, step))


def _row_residuals(
    head: Head,
    block: Array,
    rows: slice,
    columns: slice,
    directions: Sequence[Array],
    differences: Sequence[GradientDifference],
) -> Array:
    """Residuals (rows,) of H[rows, columns] v against the difference along each v (W,), zero outside ``columns``.

    The gradients that are subtracted are themselves compared with differences of E, whose evaluations are there
    already: were they not its gradient, no row would be proved by them.
    """
    allowed = _tolerances(head, [difference.gradient for difference in differences])
    slopes = slope_residuals([difference.middle for difference in differences], directions, differences)
    worst = np.full(len(block), np.nan)
    for direction, difference, tolerance, slope in zip(directions, differences, allowed, slopes, strict=True):
        if difference.trusted:
            product, rounding = products(block, direction[None, columns])
            discrepancy = product - difference.excluded[rows] - difference.gradient.value[rows]
            residual = residuals(discrepancy, tolerance[rows] + rounding)
            worst = np.fmax(worst, np.maximum(residual, slope if slope > 1 else 0.0))
    return worst


def _tolerances(head: Head, differences: Sequence[Difference]) -> list[Array]:
    """Tolerances (W,): the rows of one tensor are of one kind."""
    allowed = [np.zeros(head.network.n_weights) for _ in differences]
    for weight in head.network.weights:
        for whole, part in zip(allowed, tolerances([d.part(weight.slice) for d in differences]), strict=True):
            whole[weight.slice] = part
    return allowed


def _samples(
    head: Head,
    chunks: Chunks,
    block: Array,
    rows: slice,
    columns: slice,
    size: Array,
    random: np.random.Generator,
    step: float,
) -> Array:
    """A few elements of one random column: the largest, and others at random."""
    j = int(random.integers(columns.start, columns.stop))
    direction = np.zeros(head.network.n_weights)
    direction[j] = size[j]
    difference = difference_of_gradient(head, chunks, direction, random, step)
    residual = _row_residuals(head, block, rows, columns, [direction], [difference])
    largest = np.argsort(-np.abs(block[:, j - columns.start]), kind="stable")[: SAMPLES // 2]
    i = np.concatenate([largest, random.integers(len(block), size=SAMPLES - len(largest))])
    numerical = (difference.gradient.value + difference.excluded)[rows][i] / size[j]
    return np.stack([i + rows.start, np.full(SAMPLES, j), block[i, j - columns.start], numerical, residual[i]], axis=1)
