"""The second derivatives ∂²y_k/∂x_i∂x_j of outputs with respect to the inputs, for every point.

The R-operator applied to unit perturbations of the inputs: one pass forward for all of them, then for each output the
pass back from it, ∂y_k/∂(every value), and how that responds. The outputs themselves are linear in y: nothing is added
at the start.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jachess.backprop.propagation import (
    Points,
    State,
    forward,
    pull_cotangents,
    pull_tangents_of_cotangents,
    push_tangents,
)
from jachess.backprop.r_operator import ELEMENTS
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
