"""Layers whose weights act at many positions: kernels of convolutions, and matrices that meet each token of a sequence.

Such a unit has a pre-activation at each of S positions, a_js = Σ_i w_ji z_is. To perturb all of these takes S passes a
unit where its weights one by one take as many as it has inputs, so a layer is worth being seen as one where S < I.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from jachess.network.evaluation import call_of, evaluate
from jachess.network.graph import Network, Weight
from jachess.network.layers import CONSTANT, Indices, Layer, moved_weights, point_axes
from jachess.network.operations import TABLE
from jachess.network.operations.record import Positions
from jachess.network.weight_vector import unpack


@dataclass(frozen=True)
class PositionedLayer(Layer):
    """Units with pre-activations at several positions, a (n, M, S).

    Attributes
    ----------
    weights : tuple of Weight
        The tensors that the indices go through: a matrix and, where there is one, its bias.
    n_positions : int
        S.
    point_axis : int
        Which axis of the pre-activation is that of the points.
    """

    weights: tuple[Weight, ...]
    n_positions: int
    point_axis: int


def find_positioned(
    network: Network, others: Collection[Weight]
) -> tuple[tuple[PositionedLayer, ...], tuple[Weight, ...]]:
    """Of weight tensors in no layer, those that act at fewer positions than units have inputs, and the rest.

    A tensor that is used twice stays with the rest.
    """
    search = _Search(network)
    found = [layer for weight in others if (layer := search.layer(weight)) is not None]
    taken = [weight for layer in found for weight in layer.weights]
    return tuple(found), tuple(weight for weight in others if weight not in taken)


def in_order(layers: Sequence[Layer], positioned: Sequence[PositionedLayer]) -> list[Layer]:
    """All of them, in topological order."""
    return sorted([*layers, *positioned], key=lambda layer: layer.order)


class _Search:
    """What has to be known of a network to find such layers."""

    def __init__(self, network: Network) -> None:
        self.network, self.axes = network, point_axes(network)
        self.moved, movers = moved_weights(network)
        owners = np.repeat(np.arange(len(network.weights)), [weight.size for weight in network.weights])
        self.uses: dict[str, list[tuple[int, int]]] = {weight.name: [] for weight in network.weights}
        places = [
            *((n, slot, name) for n, node in enumerate(network.nodes) for slot, name in enumerate(node.inputs)),
            (len(network.nodes), 0, network.output),
        ]
        for number, slot, name in places:
            if number not in movers and name in self.moved:
                indices = self.moved[name]
                for owner in np.unique(owners[indices[indices != CONSTANT]]):
                    self.uses[network.weights[owner].name].append((number, slot))
        given = {i.name: np.zeros((1, *i.shape), i.dtype) for i in network.inputs}
        self.values = evaluate(network.nodes, {**network.constants, **unpack(network, network.w), **given})

    def layer(self, weight: Weight) -> PositionedLayer | None:
        """The layer whose matrix a tensor is."""
        number, slot, places = self._only_use(weight)
        rule = TABLE[self.network.nodes[number].operation].positions if places is not None else None
        target = self.network.nodes[number].outputs[0] if rule is not None else ""
        if rule is None or places is None or target not in self.axes:
            return None
        node, (axis, shape) = self.network.nodes[number], self.axes[target]
        positions = rule(call_of(node, self.values), axis)
        if positions is None or positions.weights != slot:
            return None
        source, indices = node.inputs[positions.source], positions.matrix(places).T
        n_inputs, n_units = indices.shape
        n_positions = math.prod(shape) // n_units
        if source not in self.axes or self.axes[source][0] != axis or n_positions >= n_inputs:
            return None
        inputs, weights = [(source, n_inputs)], [weight]
        bias = self._bias(number, positions)
        if bias is not None:
            inputs, weights, indices = [*inputs, ("", 1)], [weight, bias[0]], np.vstack([indices, bias[1]])
        return PositionedLayer(target, number, tuple(inputs), indices, tuple(weights), n_positions, axis)

    def _bias(self, number: int, positions: Positions) -> tuple[Weight, Indices] | None:
        """The tensor that is added to each unit, the same at all positions, and its indices (1, J)."""
        target = self.network.nodes[number].outputs[0]
        readers = [n for n, node in enumerate(self.network.nodes) if target in node.inputs]
        for weight in self.network.weights:
            place, slot, places = self._only_use(weight)
            if places is None or place not in (number, *readers):
                continue
            if place == number and slot == positions.bias:
                return weight, places.reshape(1, -1)
            added = self.network.nodes[place].operation == "Add" and target != self.network.output
            shape = self.values[target].shape
            if added and len(readers) == 1 and np.broadcast_shapes(places.shape, shape) == shape:
                spread = positions.units(np.broadcast_to(places, shape))[0]
                if (spread == spread[:, :1]).all() and len(spread) == weight.size:
                    return weight, spread[None, :, 0]
        return None

    def _only_use(self, weight: Weight) -> tuple[int, int, Indices | None]:
        """Node and slot of a tensor that takes part in arithmetic once, and whole; None for its indices if not so."""
        if len(self.uses[weight.name]) != 1 or self.uses[weight.name][0][0] == len(self.network.nodes):
            return -1, -1, None
        number, slot = self.uses[weight.name][0]
        places = self.moved[self.network.nodes[number].inputs[slot]]
        own = np.arange(weight.offset, weight.offset + weight.size)
        return number, slot, places if np.array_equal(np.sort(places, axis=None), own) else None
