"""The derivatives ∂y_k/∂w of the outputs of every point with respect to the weights, and their check.

Where weights enter through a layer, ∂y_k/∂w_ji = z_i ∂y_k/∂a_j (8.29 for weights in place of inputs): one pass back
from all outputs, then a product for each point. Weights that enter in another way get a pass for each point alone.
"""

from __future__ import annotations

import numpy as np

from jachess.backprop.differences import Difference, random_direction
from jachess.backprop.gradient_difference import weight_sizes
from jachess.backprop.output_difference import difference_along_weights
from jachess.backprop.propagation import Points, State, forward, pull_cotangents
from jachess.backprop.row_check import check_rows
from jachess.network.graph import Array, Network, Weight
from jachess.network.layers import CONSTANT, Layer, find_layers

WORKING = 1 << 20
"""Elements of the products that are held at once."""


def weight_jacobian_rows(network: Network, points: Points) -> Array:
    """∂y_k/∂w (n, K, W) of n points, in the floating type of the network's weights."""
    n_points, n_outputs = len(points[0]), network.n_outputs
    found = np.zeros((n_points, n_outputs, network.n_weights), network.w.dtype)
    layers, others = find_layers(network)
    step = max(1, WORKING // (n_outputs * network.n_weights))
    for start in range(0, n_points, step):
        some = tuple(array[start : start + step] for array in points)
        state = forward(network, some)
        names = [layer.pre_activation for layer in layers]
        errors = pull_cotangents(network, state, identity_rows(network, state), names)
        for layer in layers:
            if layer.pre_activation in errors:
                _add_layer(layer, state, errors[layer.pre_activation], found[start : start + step])
    for weight in others:
        _add_others(network, points, weight, found)
    return found


def identity_rows(network: Network, state: State) -> dict[str, Array]:
    """∂y_k/∂y_l, the rows with which all outputs' passes begin."""
    value = state.values[network.output]
    rows = np.zeros((network.n_outputs, state.n_points, network.n_outputs), network.w.dtype)
    rows[np.arange(network.n_outputs), :, np.arange(network.n_outputs)] = 1
    return {network.output: rows.reshape(network.n_outputs, *value.shape)}


def _add_layer(layer: Layer, state: State, errors: Array, found: Array) -> None:
    """Add z_i ∂y_k/∂a_j at the places of the layer's weights; ``errors`` (K, n, J)."""
    start, errors = 0, errors.swapaxes(0, 1)
    for source, width in layer.inputs:
        indices = layer.indices[start : start + width]
        start += width
        i, j = np.nonzero(indices != CONSTANT)
        z = state.values[source][:, None, i] if source else 1.0
        found[:, :, indices[i, j]] += z * errors[:, :, j]


def _add_others(network: Network, points: Points, weight: Weight, found: Array) -> None:
    for number in range(len(found)):
        state = forward(network, tuple(array[number : number + 1] for array in points))
        pulled = pull_cotangents(network, state, identity_rows(network, state), [weight.name])
        if weight.name in pulled:
            found[number, :, weight.slice] += pulled[weight.name].reshape(network.n_outputs, -1)


def check_weight_jacobian(network: Network, points: Points, jacobian: Array, seed: tuple[int, ...]) -> Array:
    """Residuals (n, K) of ∂y_k/∂w (n, K, W) against central differences of the outputs, or NaN.

    Parameters
    ----------
    seed : tuple of int
        Chooses the directions, one for all points; the same seed gives the same check.
    """
    random, size = np.random.default_rng(seed), weight_sizes(network)

    def differ(some: Points, direction: Array, step: Array | float) -> Difference:
        return difference_along_weights(network, some, direction[0], random, float(np.min(step)))

    return check_rows(points, jacobian, lambda which: random_direction(size, random)[None], differ)
