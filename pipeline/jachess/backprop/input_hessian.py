"""The second derivatives ∂²y_k/∂x_i∂x_j of outputs with respect to the inputs, for every point, and their check.

The R-operator applied to unit perturbations of the inputs: one pass forward for all of them, then for each output the
pass back from it, ∂y_k/∂(every value), and how that responds. The outputs themselves are linear in y: nothing is added
at the start.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jachess.backprop.differences import Difference, random_direction
from jachess.backprop.jacobian_check import input_sizes
from jachess.backprop.output_difference import difference_along_inputs
from jachess.backprop.propagation import (
    Points,
    State,
    forward,
    pull_cotangents,
    pull_tangents_of_cotangents,
    push_tangents,
)
from jachess.backprop.r_operator import ELEMENTS
from jachess.backprop.row_check import check_rows
from jachess.backprop.weight_jacobian import identity_rows
from jachess.network.graph import Array, Network
from jachess.network.paths import descendants


def input_hessians(network: Network, points: Points, outputs: Sequence[int]) -> Array:
    """∂²y_k/∂x_i∂x_j (n, outputs, D, D) of n points, in the floating type of the network's weights; symmetric."""
    n_points, n_inputs = len(points[0]), network.n_inputs
    found = np.zeros((n_points, len(outputs), n_inputs, n_inputs), network.w.dtype)
    one = forward(network, tuple(array[:1] for array in points))
    step = max(1, ELEMENTS // (n_inputs * max(1, one.n_elements)))
    for start in range(0, n_points, step):
        part = slice(start, start + step)
        _fill(network, tuple(array[part] for array in points), outputs, found[part])
    return (found + found.swapaxes(2, 3)) / 2


def _fill(network: Network, points: Points, outputs: Sequence[int], found: Array) -> None:
    state, n_inputs = forward(network, points), network.n_inputs
    seeds = np.zeros((n_inputs, state.n_points, n_inputs), network.w.dtype)
    seeds[np.arange(n_inputs), :, np.arange(n_inputs)] = 1
    shape = state.values[network.input].shape
    tangents = push_tangents(network, state, {network.input: seeds.reshape(n_inputs, *shape)})
    for place, output in enumerate(outputs):
        errors = _errors(network, state, output)
        responses = pull_tangents_of_cotangents(network, state, tangents, errors, {}, [network.input])
        if network.input in responses:
            found[:, place] = responses[network.input].reshape(seeds.shape).swapaxes(0, 1)


def _errors(network: Network, state: State, output: int) -> dict[str, Array]:
    """∂y_k/∂(value) of every value that depends on the input."""
    value = state.values[network.output]
    start = np.zeros((state.n_points, network.n_outputs), network.w.dtype)
    start[:, output] = 1
    wanted = descendants(network, [network.input])
    return pull_cotangents(network, state, {network.output: start.reshape(value.shape)}, wanted)


def check_input_hessians(
    network: Network, points: Points, hessians: Array, outputs: Sequence[int], seed: tuple[int, ...]
) -> Array:
    """Residuals (n, outputs, D) of the rows of ∂²y_k/∂x∂x (n, outputs, D, D) against central differences of ∂y_k/∂x.

    Parameters
    ----------
    seed : tuple of int
        Chooses the directions; the same seed gives the same check.
    """
    random, size = np.random.default_rng(seed), input_sizes(network, points)
    names, n_inputs = [network.input], network.n_inputs

    def jacobian_rows(state: State) -> Array:
        seeds = {name: rows[list(outputs)] for name, rows in identity_rows(network, state).items()}
        pulled = pull_cotangents(network, state, seeds, names).get(network.input)
        if pulled is None:
            return np.zeros((state.n_points, len(outputs) * n_inputs))
        return pulled.reshape(len(outputs), state.n_points, n_inputs).swapaxes(0, 1).reshape(state.n_points, -1)

    def differ(some: Points, directions: Array, step: Array | float) -> Difference:
        return difference_along_inputs(network, some, directions, jacobian_rows, random, step)

    rows = hessians.reshape(len(hessians), -1, n_inputs)
    found = check_rows(points, rows, lambda which: random_direction(size[which], random), differ)
    return found.reshape(hessians.shape[:3])
