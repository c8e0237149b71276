"""Checks of Jacobians: every row along random directions, and single elements for people to read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jachess.backprop.differences import (
    random_direction,
    residuals,
    sizes,
    tolerances,
)
from jachess.backprop.output_difference import difference_of_outputs
from jachess.backprop.propagation import Points
from jachess.backprop.row_check import check_rows
from jachess.backprop.row_products import products
from jachess.network.graph import Array, Network

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
    size = input_sizes(network, points)
    worst = check_rows(
        points,
        jacobian,
        lambda which: random_direction(size[which], random),
        lambda some, direction, step: difference_of_outputs(network, some, direction, random, step),
    )
    return JacobianCheck(worst, _samples(network, points, jacobian, size, random))


def input_sizes(network: Network, points: Points) -> Array:
    """Sizes s_i (n, D) of the inputs."""
    which = network.input_place
    return sizes(points[which].reshape(len(points[which]), -1))


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
