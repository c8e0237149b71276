"""Checks of Jacobians: every row along random directions, and single elements for people to read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jachess.backprop.differences import (
    STEP,
    products,
    random_direction,
    residuals,
    second_look,
    sizes,
    tolerances,
)
from jachess.backprop.output_difference import difference_of_outputs
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
    worst, step = _look(network, points, jacobian, size, random, STEP)
    if (again := ~(worst <= 1).all(axis=1)).any():
        some = tuple(array[again] for array in points)
        second, _ = _look(network, some, jacobian[again], size[again], random, step[again])
        worst[again] = second_look(worst[again], second)
    worst[~np.isfinite(jacobian).all(axis=2)] = np.inf
    return JacobianCheck(worst, _samples(network, points, jacobian, size, random))


def _look(
    network: Network, points: Points, jacobian: Array, size: Array, random: np.random.Generator, step: Array | float
) -> tuple[Array, Array]:
    """Residuals (n, K) along random directions, NaN where none has a verdict; and a good step (n, 1) for the next."""
    directions, differences = [], []
    for _ in range(DIRECTIONS):
        directions.append(random_direction(size, random))
        differences.append(difference_of_outputs(network, points, directions[-1], random, step))
        step = differences[-1].better_step(axis=1)
    worst = np.full(jacobian.shape[:2], np.nan)
    for direction, difference, allowed in zip(directions, differences, tolerances(differences), strict=True):
        product, rounding = products(jacobian, direction[:, None, :])
        worst = np.fmax(worst, residuals(product - difference.value, allowed + rounding))
    return worst, np.asarray(step)


def _samples(network: Network, points: Points, jacobian: Array, size: Array, random: np.random.Generator) -> Array:
    """A few elements: one random input each at random points, the output whose element there is largest."""
    n = random.integers(len(jacobian), size=SAMPLES)
    i = random.integers(jacobian.shape[2], size=SAMPLES)
    k = np.abs(jacobian[n, :, i]).argmax(axis=1)
    direction = np.zeros((SAMPLES, jacobian.shape[2]))
    step = size[n, i]
    direction[np.arange(SAMPLES), i] = step
    difference = difference_of_outputs(network, tuple(array[n] for array in points), direction, random)
    chosen = (np.arange(SAMPLES), k)
    product, rounding = products(jacobian[n, k, i][:, None], step[:, None])
    residual = residuals(product - difference.value[chosen], tolerances([difference])[0][chosen] + rounding)
    return np.stack([n, k, i, jacobian[n, k, i], difference.value[chosen] / step, residual], axis=1)
