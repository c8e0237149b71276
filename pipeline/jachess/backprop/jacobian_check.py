"""Checks of Jacobians: every row along random directions, and single elements for people to read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jachess.backprop.differences import difference_of_outputs, residuals, rounding, sizes, tolerance
from jachess.backprop.propagation import Points
from jachess.network.graph import Array, Network

DIRECTIONS = 2
SAMPLES = 4


@dataclass(frozen=True)
class JacobianCheck:
    """What the check of n points found.

    Attributes
    ----------
    residual : array (n, K)
        Largest discrepancy of each row over its tolerance; NaN where a kink forbids a verdict.
    samples : array (SAMPLES, 6)
        Point (within the chunk), output, input, analytical, numerical, residual.
    """

    residual: Array
    samples: Array


def check_jacobian(network: Network, points: Points, jacobian: Array, seed: tuple[int, ...]) -> JacobianCheck:
    """Compare Jacobians (n, K, D) with central differences of the outputs, in float64.

    Parameters
    ----------
    seed : tuple of int
        Chooses directions and samples; the same seed gives the same check.
    """
    random = np.random.default_rng(seed)
    which = next(i for i, x in enumerate(network.inputs) if x.name == network.input)
    size = sizes(points[which].reshape(len(jacobian), -1))
    directions = [size * random.choice((-1.0, 1.0), size.shape) for _ in range(DIRECTIONS)]
    found = [difference_of_outputs(network, points, direction) for direction in directions]
    allowed = tolerance([difference for difference, _ in found])
    worst = np.zeros(jacobian.shape[:2])
    for direction, (difference, smooth) in zip(directions, found, strict=True):
        terms = jacobian * direction[:, None, :]
        discrepancy = terms.sum(axis=-1, dtype=np.float64) - difference.value
        residual = residuals(discrepancy, allowed + rounding(terms, jacobian.dtype))
        worst = np.maximum(worst, np.where(smooth[:, None], residual, np.nan))  # NaN stays NaN
    return JacobianCheck(worst, _samples(network, points, jacobian, size, random))


def _samples(network: Network, points: Points, jacobian: Array, size: Array, random: np.random.Generator) -> Array:
    """A few elements: one random input each at random points, the output whose element there is largest."""
    n = random.integers(len(jacobian), size=SAMPLES)
    i = random.integers(jacobian.shape[2], size=SAMPLES)
    k = np.abs(jacobian[n, :, i]).argmax(axis=1)
    direction = np.zeros((SAMPLES, jacobian.shape[2]))
    step = size[n, i]
    direction[np.arange(SAMPLES), i] = step
    difference, smooth = difference_of_outputs(network, tuple(array[n] for array in points), direction)
    analytical = jacobian[n, k, i].astype(np.float64)
    chosen = (np.arange(SAMPLES), k)
    terms = (analytical * step)[:, None]
    allowed = tolerance([difference])[chosen] + rounding(terms, jacobian.dtype)
    residual = residuals(terms[:, 0] - difference.value[chosen], allowed)
    numerical = difference.value[chosen] / step
    return np.stack([n, k, i, analytical, numerical, np.where(smooth, residual, np.nan)], axis=1)
