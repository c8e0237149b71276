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
from jachess.network.layers import CONSTANT, Indices, Layer, moved_weights
from jachess.network.operations import TABLE
from jachess.network.operations.record import PointAxis, Positions
from jachess.network.point_axes import point_axes
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
    point_axis : PointAxis
        Where the points are in the pre-activation.
    """

    weights: tuple[Weight, ...]
    n_positions: int
    point_axis: PointAxis


def find_positioned(
    network: Network, others: Collection[Weight]
) -> tuple[tuple[PositionedLayer, ...], tuple[Weight, ...]]:
    """Of weight tensors in no layer, those that act at fewer positions than units have inputs, and the rest.

    A tensor that is used twice stays with the rest.
    """
    if not others:
        return (), ()
    search = _Search(network, others)
    found = [search.layer(number, slot) for number, slot in search.leaves]
    layers = tuple(layer for layer in found if layer is not None)
    taken = [weight for layer in layers for weight in layer.weights]
    return layers, tuple(weight for weight in others if weight not in taken)


def in_order(layers: Sequence[Layer], positioned: Sequence[PositionedLayer]) -> list[Layer]:
    """All of them, in topological order."""
    return sorted([*layers, *positioned], key=lambda layer: layer.order)


class _Search:
    """What has to be known of a network to find such layers.

    Attributes
    ----------
    leaves : mapping of (node, slot) to (Weight, indices)
        Where those of the tensors are that take part in arithmetic once, and whole.
    """

    def __init__(self, network: Network, tensors: Collection[Weight]) -> None:
        self.network, self.axes = network, point_axes(network)
        moved, movers = moved_weights(network)
        owners = np.repeat(np.arange(len(network.weights)), [weight.size for weight in network.weights])
        uses: dict[int, list[tuple[int, int]]] = {}
        places = [
            *((n, slot, name) for n, node in enumerate(network.nodes) for slot, name in enumerate(node.inputs)),
            (len(network.nodes), 0, network.output),
        ]
        for number, slot, name in places:
            if number not in movers and name in moved:
                for owner in np.unique(owners[moved[name][moved[name] != CONSTANT]]).tolist():
                    uses.setdefault(owner, []).append((number, slot))
        self.leaves: dict[tuple[int, int], tuple[Weight, Indices]] = {}
        for owner, found in uses.items():
            number, slot = found[0]
            weight = network.weights[owner]
            if len(found) == 1 and number < len(network.nodes) and weight in tensors:
                indices = moved[network.nodes[number].inputs[slot]]
                own = np.arange(weight.offset, weight.offset + weight.size)
                if np.array_equal(np.sort(indices, axis=None), own):
                    self.leaves[number, slot] = weight, indices
        given = {i.name: np.zeros((1, *i.shape), i.dtype) for i in network.inputs}
        self.values = evaluate(network.nodes, {**network.constants, **unpack(network, network.w), **given})

    def layer(self, number: int, slot: int) -> PositionedLayer | None:
        """The layer whose matrix is in this slot of a node."""
        (weight, places), node = self.leaves[number, slot], self.network.nodes[number]
        rule, target = TABLE[node.operation].positions, node.outputs[0]
        if rule is None or target not in self.axes:
            return None
        axis, shape = self.axes[target]
        positions = rule(call_of(node, self.values), axis)
        if positions is None or positions.weights != slot:
            return None
        source, indices = node.inputs[positions.source], positions.matrix(places).T
        if source not in self.axes or self.axes[source][0] != axis:
            return None
        added = self._added(number, positions)
        inputs = ((source, len(indices)), *(("", len(more)) for _, more in added))
        indices = np.vstack([indices, *(more for _, more in added)])
        n_positions = math.prod(shape) // indices.shape[1]
        weights = (weight, *(other for other, _ in added))
        if n_positions >= len(indices):
            return None
        return PositionedLayer(target, number, inputs, indices, weights, n_positions, axis)

    def _added(self, number: int, positions: Positions) -> list[tuple[Weight, Indices]]:
        """Tensors that are added to each unit, a number for all positions or one for each: indices (1 or S, J)."""
        found, name = [], self.network.nodes[number].outputs[0]
        if (number, positions.bias) in self.leaves:
            weight, indices = self.leaves[number, positions.bias]
            found.append((weight, indices.reshape(1, -1)))
        own = np.arange(self.values[name].size).reshape(self.values[name].shape)
        places = own  # which of the pre-activation's elements is where behind moves of them
        while (reader := self._only_reader(name)) is not None:
            node = self.network.nodes[reader]
            if node.operation == "Add":
                place = reader, 1 - node.inputs.index(name)
                if place not in self.leaves or self.values[node.outputs[0]].shape != places.shape:
                    break
                weight, indices = self.leaves[place]
                spread = np.empty_like(own)
                spread.ravel()[places] = indices
                spread = positions.units(spread)[0]
                more = spread[:, :1] if (spread == spread[:, :1]).all() else spread
                if more.size != weight.size:
                    break
                found.append((weight, more.T))
            elif TABLE[node.operation].moves:
                places = TABLE[node.operation].forward(call_of(node, {**self.values, name: places}))[0]
                if not np.array_equal(np.sort(places, axis=None), own.ravel()):
                    break
            else:
                break
            name = node.outputs[0]
        return found

    def _only_reader(self, name: str) -> int | None:
        """The node that reads a value, if nothing else does."""
        readers = [number for number, node in enumerate(self.network.nodes) if name in node.inputs]
        return readers[0] if len(readers) == 1 and name != self.network.output else None
