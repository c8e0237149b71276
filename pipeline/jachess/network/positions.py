"""Layers whose weights act at many positions: kernels of convolutions, and matrices that meet each token of a sequence.

Such a unit has a pre-activation at each of S positions, a_js = Σ_i w_ji z_is. To perturb all of these takes S passes a
unit where its weights one by one take as many as it has inputs, so a layer is worth being seen as one where S < I.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jachess.network.evaluation import call_of, evaluate
from jachess.network.graph import Array, Network, Weight
from jachess.network.layers import Indices, Layer, moved_weights, point_axes
from jachess.network.operations import TABLE
from jachess.network.weight_vector import unpack


@dataclass(frozen=True)
class PositionedLayer(Layer):
    """Units with pre-activations at several positions, a (n, M, S).

    Attributes
    ----------
    weight : Weight
        The tensor that the indices go through.
    n_positions : int
        S.
    point_axis : int
        Which axis of the pre-activation is that of the points.
    """

    weight: Weight
    n_positions: int
    point_axis: int


def find_positioned(
    network: Network, others: Collection[Weight]
) -> tuple[tuple[PositionedLayer, ...], tuple[Weight, ...]]:
    """Of weight tensors in no layer, those that act at fewer positions than units have inputs, and the rest.

    A tensor that is used twice stays with the rest.
    """
    moved, movers = moved_weights(network)
    uses = _uses(network, moved, movers)
    axes, values = point_axes(network), _values_of_one_point(network)
    found = []
    for weight in others:
        if len(uses[weight.name]) != 1:
            continue
        number, slot = uses[weight.name][0]
        node = network.nodes[number]
        rule, places = TABLE[node.operation].positions, moved[node.inputs[slot]]
        whole = np.array_equal(np.sort(places, axis=None), np.arange(weight.offset, weight.offset + weight.size))
        if rule is None or not whole or node.outputs[0] not in axes:
            continue
        target, (axis, shape) = node.outputs[0], axes[node.outputs[0]]
        positions = rule(call_of(node, values), axis)
        if positions is None or positions.weights != slot:
            continue
        source, indices = node.inputs[positions.source], positions.matrix(places).T
        n_inputs, n_units = indices.shape
        n_positions = math.prod(shape) // n_units
        if source in axes and axes[source][0] == axis and n_positions < n_inputs:
            inputs = ((source, n_inputs),)
            found.append(PositionedLayer(target, number, inputs, indices, weight, n_positions, axis))
    taken = [layer.weight for layer in found]
    return tuple(found), tuple(weight for weight in others if weight not in taken)


def _uses(network: Network, moved: Mapping[str, Indices], movers: Collection[int]) -> dict[str, list[tuple[int, int]]]:
    """Nodes and slots in which each tensor's weights take part in arithmetic, or where they leave the network."""
    found: dict[str, list[tuple[int, int]]] = {weight.name: [] for weight in network.weights}
    places = [
        *((n, slot, name) for n, node in enumerate(network.nodes) for slot, name in enumerate(node.inputs)),
        (len(network.nodes), 0, network.output),
    ]
    for number, slot, name in places:
        if number not in movers and name in moved:
            for weight in network.weights:
                if ((moved[name] >= weight.offset) & (moved[name] < weight.offset + weight.size)).any():
                    found[weight.name].append((number, slot))
    return found


def in_order(layers: Sequence[Layer], positioned: Sequence[PositionedLayer]) -> list[Layer]:
    """All of them, in topological order."""
    return sorted([*layers, *positioned], key=lambda layer: layer.order)


def _values_of_one_point(network: Network) -> dict[str, Array]:
    given = {i.name: np.zeros((1, *i.shape), i.dtype) for i in network.inputs}
    return evaluate(network.nodes, {**network.constants, **unpack(network, network.w), **given})
