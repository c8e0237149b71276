"""Checks of the gradient and of Hessian rows: along random directions of the weights, and element by element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jachess.backprop.differences import OFFSETS, STEPS, Difference, residuals, rounding, same_sides, tolerance
from jachess.backprop.gradient import gradient, gradient_at
from jachess.backprop.propagation import Chunks, Points, forward
from jachess.backprop.r_operator import hessian_vector_products
from jachess.network.graph import Array
from jachess.network.head import Head

DIRECTIONS = 2
SAMPLES = 4
TERMS = 1 << 18
"""Terms of H v that are formed at once: what stays in cache."""
EXCLUDED_SHARE = 0.01
"""Share of the points that may be left out for their kinks; with more there is no verdict."""


@dataclass(frozen=True)
class GradientDifference:
    """Central differences of ∂E/∂w and of E along one direction, without the points that have kinks there.

    Attributes
    ----------
    gradient : Difference
        Arrays (W,).
    error : Difference
        Arrays (1,).
    excluded, excluded_slope : array (W,), float
        H v and ∂E/∂w · v of the points left out, by backpropagation: what the differences lack of the whole.
    n_excluded, n_points : int
    """

    gradient: Difference
    error: Difference
    excluded: Array
    excluded_slope: float
    n_excluded: int
    n_points: int

    @property
    def trusted(self) -> bool:
        """Whether few enough points were left out for a verdict."""
        return self.n_excluded <= EXCLUDED_SHARE * self.n_points


def difference_of_gradient(head: Head, chunks: Chunks, direction: Array) -> GradientDifference:
    """Difference ∂E/∂w along a direction (W,) of the weights, summed over all points."""
    n_weights = head.network.n_weights
    sums = [np.zeros((len(OFFSETS), n_weights)) for _ in STEPS]
    errors = [np.zeros((len(OFFSETS), 1)) for _ in STEPS]
    excluded, slope, n_excluded, n_points = np.zeros(n_weights), 0.0, 0, 0
    for points, targets in chunks():
        prepared = head.targets(targets)
        n_points += len(prepared)
        pending = np.arange(len(prepared))
        for level, step in enumerate(STEPS):
            some, wanted = tuple(array[pending] for array in points), prepared[pending]
            smooth = _add(head, some, wanted, direction * step, sums[level], errors[level])
            pending = pending[~smooth]
            if not len(pending):
                break
        if len(pending):
            left_out = [(tuple(array[pending] for array in points), targets[pending])]
            excluded += hessian_vector_products(head, left_out.copy, direction[None])[0]
            slope += float(gradient(head, left_out.copy) @ direction)
            n_excluded += len(pending)
    of_gradient = _total([Difference.of(s, step) for s, step in zip(sums, STEPS, strict=True)])
    of_error = _total([Difference.of(s, step) for s, step in zip(errors, STEPS, strict=True)])
    return GradientDifference(of_gradient, of_error, excluded, slope, n_excluded, n_points)


def _add(head: Head, points: Points, targets: Array, move: Array, sums: Array, errors: Array) -> Array:
    """Add gradients and errors at all offsets for the points without kinks between them; which ones (n,)."""
    network = head.network
    states = [forward(network, points, network.w + k * move) for k in OFFSETS]
    smooth = same_sides(network, states)
    if not smooth.all():
        points, targets = tuple(array[smooth] for array in points), targets[smooth]
        states = [forward(network, points, network.w + k * move) for k in OFFSETS] if smooth.any() else []
    for number, state in enumerate(states):
        sums[number] += gradient_at(head, state, targets)
        errors[number] += head.error.value(state.outputs(network), targets).sum()
    return smooth


def _total(parts: list[Difference]) -> Difference:
    return Difference(
        np.asarray(sum(part.value for part in parts)),
        np.asarray(sum(part.spread for part in parts)),
        np.asarray(sum(part.floor for part in parts)),
    )


def weight_sizes(head: Head) -> Array:
    """Sizes s_i (W,) of the weights: their own, at least the typical one of their tensor."""
    network = head.network
    size = np.ones(network.n_weights)
    overall = float(np.sqrt((network.w**2).mean())) or 1.0
    for weight in network.weights:
        tensor = network.w[weight.slice]
        typical = float(np.sqrt((tensor**2).mean())) or overall
        size[weight.slice] = np.maximum(np.abs(tensor), typical)
    return size


def check_gradient(head: Head, chunks: Chunks, claimed: Array, seed: tuple[int, ...]) -> Array:
    """Residuals (DIRECTIONS,) of ∂E/∂w · v against central differences of E; NaN where kinks forbid a verdict."""
    random, size = np.random.default_rng(seed), weight_sizes(head)
    directions = [size * random.choice((-1.0, 1.0), size.shape) for _ in range(DIRECTIONS)]
    differences = [difference_of_gradient(head, chunks, direction) for direction in directions]
    found = []
    for direction, difference in zip(directions, differences, strict=True):
        terms = claimed * direction
        allowed = tolerance([other.error for other in differences]) + rounding(terms, claimed.dtype)
        discrepancy = terms.sum(dtype=np.float64) - difference.excluded_slope - difference.error.value
        found.append(float(residuals(discrepancy, allowed)[0]) if difference.trusted else np.nan)
    return np.array(found)


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
    random, size = np.random.default_rng(seed), weight_sizes(head)
    directions = []
    for _ in range(DIRECTIONS):
        direction = np.zeros(head.network.n_weights)
        direction[columns] = (size * random.choice((-1.0, 1.0), size.shape))[columns]
        directions.append(direction)
    worst = row_residuals(head, chunks, block, rows, columns, directions)[0]
    j = int(random.integers(columns.start, columns.stop))
    direction = np.zeros(head.network.n_weights)
    direction[j] = size[j]
    residual, (difference,) = row_residuals(head, chunks, block, rows, columns, [direction])
    largest = np.argsort(-np.abs(block[:, j - columns.start]), kind="stable")[: SAMPLES // 2]
    i = np.concatenate([largest, random.integers(len(block), size=SAMPLES - len(largest))])
    numerical = (difference.gradient.value + difference.excluded)[rows][i] / size[j]
    analytical = block[i, j - columns.start].astype(np.float64)
    samples = np.stack([i + rows.start, np.full(SAMPLES, j), analytical, numerical, residual[i]], axis=1)
    return HessianCheck(worst, samples)


def row_residuals(
    head: Head, chunks: Chunks, block: Array, rows: slice, columns: slice, directions: Sequence[Array]
) -> tuple[Array, list[GradientDifference]]:
    """Residuals (rows,) of H[rows, columns] v against differences along each v (W,), zero outside ``columns``."""
    differences = [difference_of_gradient(head, chunks, direction) for direction in directions]
    allowed = _tolerance(head, [difference.gradient for difference in differences])[rows]
    worst = np.zeros(len(block))
    for direction, difference in zip(directions, differences, strict=True):
        product, rounded = _products(block, direction[columns])
        discrepancy = product - difference.excluded[rows] - difference.gradient.value[rows]
        residual = residuals(discrepancy, allowed + rounded)
        worst = np.maximum(worst, residual if difference.trusted else np.nan)
    return worst, differences


def _products(block: Array, v: Array) -> tuple[Array, Array]:
    """Block · v and its rounding error, (rows,) each, some rows at a time: no second array of the block's size."""
    product, rounded, step = np.zeros(len(block)), np.zeros(len(block)), max(1, TERMS // len(v))
    for start in range(0, len(block), step):
        part = slice(start, start + step)
        terms = block[part] * v
        product[part], rounded[part] = terms.sum(axis=1), rounding(terms, block.dtype)
    return product, rounded


def _tolerance(head: Head, differences: Sequence[Difference]) -> Array:
    """Tolerances (W,): the rows of one tensor are of one kind."""
    allowed = np.zeros(head.network.n_weights)
    for weight in head.network.weights:
        parts = [Difference(d.value[weight.slice], d.spread[weight.slice], d.floor[weight.slice]) for d in differences]
        allowed[weight.slice] = tolerance(parts)
    return allowed
