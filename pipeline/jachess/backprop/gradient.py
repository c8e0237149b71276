"""The error E and its gradient ∂E/∂w, summed over points."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from jachess.backprop.diagonal import Tangent, dense
from jachess.backprop.propagation import Chunks, State, forward, pull_cotangents, push_tangents
from jachess.network.graph import Array
from jachess.network.head import Head
from jachess.network.paths import descendants
from jachess.network.weight_vector import pack, unpack


def error(head: Head, chunks: Chunks, w: Array | None = None) -> float:
    """E = Σ_n E_n."""
    total = 0.0
    for points, targets in chunks():
        a = forward(head.network, points, w).outputs(head.network)
        total += float(head.error.value(a, head.targets(targets)).sum())
    return total


def gradient(head: Head, chunks: Chunks, w: Array | None = None) -> Array:
    """∂E/∂w (W,), at the network's own weights unless ``w`` (W,) is given."""
    total = np.zeros(head.network.n_weights)
    for points, targets in chunks():
        total += gradient_at(head, forward(head.network, points, w), head.targets(targets))
    return total


def gradient_at(
    head: Head, state: State, targets: Array, through: State | None = None, asked: Collection[str] | None = None
) -> Array:
    """∂E/∂w (W,) of the points whose values are known; ``targets`` (n, K).

    The outputs' errors go back ``through`` the same state, or through another one of these points, and no further than
    to the weight tensors that are ``asked``, all by default; at others the result is zero.
    """
    names = [weight.name for weight in head.network.weights] if asked is None else asked
    delta = output_errors(head, state, targets)
    return pack(head.network, pull_cotangents(head.network, through or state, delta, names))


def slopes_by_tangents(head: Head, state: State, targets: Array, vectors: Array) -> Array:
    """∂E/∂w · v (R,) for vectors v (R, W): tangents go forward to the outputs, and nothing goes back."""
    network = head.network
    tangent = dense(push_tangents(network, state, unpack(network, vectors), network.output).get(network.output))
    if tangent is None:
        return np.zeros(len(vectors))
    delta = head.error.gradient(state.outputs(network), targets)
    return np.asarray(np.einsum("rnk,nk->r", tangent.reshape(len(vectors), *delta.shape), delta))


def errors_on_the_way(head: Head, state: State, targets: Array) -> dict[str, Array]:
    """δ of every value that depends on weights, through which curvature adds to second derivatives.

    None in the outer-product form, which is what they are if the network were linear in its weights.
    """
    if head.outer_product:
        return {}
    wanted = descendants(head.network, [weight.name for weight in head.network.weights])
    return pull_cotangents(head.network, state, output_errors(head, state, targets), wanted)


def output_errors(head: Head, state: State, targets: Array) -> dict[str, Array]:
    """δ of the outputs, with which backpropagation starts."""
    network = head.network
    delta = head.error.gradient(state.outputs(network), targets)
    delta = delta if state.disturb is None else state.disturb(delta)
    return {network.output: delta.reshape(state.values[network.output].shape)}


def output_responses(head: Head, state: State, targets: Array, tangents: Mapping[str, Tangent]) -> dict[str, Array]:
    """R{δ} = A ȧ of the outputs, with which the second backpropagation starts."""
    network = head.network
    tangent = dense(tangents.get(network.output))
    if tangent is None:
        return {}
    rows = tangent.reshape(len(tangent), state.n_points, network.n_outputs)
    response = head.error.response(state.outputs(network), targets, rows)
    return {network.output: response.reshape(tangent.shape)}
