"""Checks of the gradient and of Hessian rows: along random directions of the weights, and element by element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jachess.backprop.differences import CLEAR, STEP, second_look
from jachess.backprop.gradient_difference import difference_of_gradient, slope_residuals, weight_sizes
from jachess.backprop.gradient_look import DIRECTIONS, Look, random_differences
from jachess.backprop.propagation import Chunks
from jachess.backprop.row_products import finite_rows, products, products_along
from jachess.network.graph import Array
from jachess.network.head import Head

SAMPLES = 4


def check_gradient(head: Head, chunks: Chunks, claimed: Array, seed: tuple[int, ...]) -> Array:
    """Residuals (DIRECTIONS,) of ∂E/∂w · v against central differences of E; NaN where kinks forbid a verdict."""
    random, size = np.random.default_rng(seed), weight_sizes(head.network)
    if not np.isfinite(claimed).all():
        return np.full(DIRECTIONS, np.inf)

    def look(step: float) -> tuple[Array, float]:
        directions, differences = random_differences(head, chunks, size, random, step, lambda found: found.error)
        found = slope_residuals([claimed] * DIRECTIONS, directions, differences)
        return found, float(differences[-1].error.better_step()[0])

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
    head: Head,
    chunks: Chunks,
    block: Array,
    rows: slice,
    columns: slice,
    seed: tuple[int, ...],
    sampled: tuple[Array, int] | None = None,
) -> HessianCheck:
    """Compare the block H[rows, columns] with central differences of the gradient, in float64.

    The directions are zero outside ``columns``, so that the block alone must explain the difference.

    Parameters
    ----------
    sampled : (int array (SAMPLES,), int), optional
        Rows in the block, and the column in w, of the elements that are looked at one by one: a random column, its
        largest elements and others by default.
    """
    random, size = np.random.default_rng(seed), np.zeros(head.network.n_weights)
    size[columns] = weight_sizes(head.network)[columns]

    def check(step: float) -> tuple[Look, Array]:
        look = Look.at_random(head, chunks, size, random, step, rows, sparing=True)
        found = products_along(block, [direction[columns] for direction in look.directions])
        if not (look.residuals(rows, found) <= CLEAR).all():
            look = look.in_full(head, chunks, random, rows)
        return look, np.where(finite_rows(block, found), look.residuals(rows, found), np.inf)

    look, worst = check(STEP)
    if (worst > 1).any():
        look, again = check(look.next_step)
        worst = second_look(worst, again)
    i, j = _largest_and_others(block, columns, random) if sampled is None else sampled
    return HessianCheck(worst, _samples(head, chunks, block, rows, columns, size, random, look, i, j))


def _largest_and_others(block: Array, columns: slice, random: np.random.Generator) -> tuple[Array, int]:
    """Rows in the block of some elements of a random column: the largest, and others at random."""
    j = int(random.integers(columns.start, columns.stop))
    largest = np.argsort(-np.abs(block[:, j - columns.start]), kind="stable")[: SAMPLES // 2]
    return np.concatenate([largest, random.integers(len(block), size=SAMPLES - len(largest))]), j


def _samples(
    head: Head,
    chunks: Chunks,
    block: Array,
    rows: slice,
    columns: slice,
    size: Array,
    random: np.random.Generator,
    look: Look,
    i: Array,
    j: int,
) -> Array:
    """A few elements of one column."""
    direction = np.zeros(head.network.n_weights)
    direction[j] = size[j]
    column = block[:, j - columns.start, None]
    found = products(column, direction[None, j : j + 1])
    for known in (look.differences[-1], None):
        difference = difference_of_gradient(head, chunks, direction, random, look.next_step, rows, known)
        residual = look.beside(head, direction, difference).residuals(rows, [found])[i]
        if (residual <= CLEAR).all():
            break
    numerical = (difference.gradient.value + difference.excluded)[rows][i] / size[j]
    return np.stack([i + rows.start, np.full(SAMPLES, j), column[i, 0], numerical, residual], axis=1)
