"""Differences of the gradient that add up over ranges of points: all ranges take the same directions and steps.

A difference of a sum over points is the sum of the differences, and so are what is known of its errors and what
stands in for points that were left out. So each range is differenced by whoever has its points, and the sums of what
they find are compared with the whole Hessian and gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jachess.backprop.differences import STEP, Difference, random_direction
from jachess.backprop.gradient_difference import GradientDifference, difference_of_gradient, weight_sizes
from jachess.backprop.propagation import Chunks
from jachess.network.graph import Array, Network
from jachess.network.head import Head

STEPS = (STEP, STEP / 8)
"""One for each direction. The second has little truncation where the first has much."""
VECTORS = 5
"""Of each direction: the gradient's difference, its spread and floor, the gradient, H v of points left out."""
NUMBERS = 6
"""The same of E: difference, spread and floor; ∂E/∂w · v of points left out; how many these are, and all."""


def shared_directions(network: Network, seed: int) -> list[Array]:
    """Random directions (W,) of the weights, one for each of `STEPS`."""
    random, size = np.random.default_rng(seed), weight_sizes(network)
    return [random_direction(size, random) for _ in STEPS]


def differences_of_range(
    head: Head, chunks: Chunks, directions: Sequence[Array], seed: tuple[int, ...]
) -> tuple[Array, Array]:
    """Differences of the points of one range along each direction, as arrays that may be added.

    Parameters
    ----------
    seed : tuple of int
        Disturbs the evaluations at the middle.

    Returns
    -------
    vectors, numbers : arrays (directions, VECTORS, W), (directions, NUMBERS)
    """
    random, vectors, numbers = np.random.default_rng(seed), [], []
    for direction, step in zip(directions, STEPS, strict=True):
        found = difference_of_gradient(head, chunks, direction, random, step)
        of_gradient, of_error = found.gradient, found.error
        vectors.append([of_gradient.value, of_gradient.spread, of_gradient.floor, found.middle, found.excluded])
        of_all = [of_error.value[0], of_error.spread[0], of_error.floor[0]]
        numbers.append([*of_all, found.excluded_slope, found.n_excluded, found.n_points])
    return np.array(vectors), np.array(numbers)


def summed_differences(vectors: Array, numbers: Array) -> list[GradientDifference]:
    """The differences along each direction, from sums of what `differences_of_range` returns."""
    return [
        GradientDifference(
            Difference(v[0], v[1], v[2], step),
            Difference(n[0:1], n[1:2], n[2:3], step),
            middle=v[3],
            excluded=v[4],
            excluded_slope=float(n[3]),
            n_excluded=int(n[4]),
            n_points=int(n[5]),
        )
        for v, n, step in zip(vectors, numbers, STEPS, strict=True)
    ]
