"""Where a matrix of weights acts at positions of each point, and what is added to its units there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from jachess.network.evaluation import call_of
from jachess.network.graph import Network, Node
from jachess.network.layers import CONSTANT, Indices
from jachess.network.operations import TABLE
from jachess.network.operations.record import PointAxis, Positions
from jachess.network.point_axes import point_axes, zero_values
from jachess.network.weight_uses import Place, Use


@dataclass(frozen=True)
class MatrixUse:
    """Units with pre-activations a_js at S positions.

    Attributes
    ----------
    node : int
        The node that makes these.
    axis : PointAxis
        Where the points are in them.
    n_positions : int
        S.
    parts : tuple of (Place, str, int array)
        Of the matrix, and of each tensor that is added to the units: where it is, the value that feeds it ("" for a
        number), and the places in w of its weights (I, J), or (1, J), or (S, J).
    """

    node: int
    axis: PointAxis
    n_positions: int
    parts: tuple[tuple[Place, str, Indices], ...]


def matrix_uses(network: Network, uses: Mapping[Place, Use]) -> list[MatrixUse]:
    """All of them in which each weight enters a unit once, in topological order."""
    search = _Search(network, uses)
    return [found for place in uses if (found := search.matrix(place)) is not None]


class _Search:
    """What has to be known of a network to find them; its values are those of one point."""

    def __init__(self, network: Network, uses: Mapping[Place, Use]) -> None:
        self.network, self.axes, self.uses = network, point_axes(network), uses
        self.values = zero_values(network, 1)

    def matrix(self, place: Place) -> MatrixUse | None:
        """What the weights in this place are the matrix of."""
        number, slot = place
        if number == len(self.network.nodes):
            return None
        node = self.network.nodes[number]
        rule, target = TABLE[node.operation].positions, node.outputs[0]
        if rule is None or target not in self.axes:
            return None
        axis, shape = self.axes[target]
        positions = rule(call_of(node, self.values), axis)
        if positions is None or positions.weights != slot:
            return None
        source, indices = node.inputs[positions.source], positions.matrix(self.uses[place].indices).T
        if self.axes.get(source, (None,))[0] != axis or not _distinct(indices):
            return None
        parts = [(place, source, indices)]
        for added, more in self._added(number, positions):
            if _distinct(*(each for *_, each in parts), more):
                parts.append((added, "", more))
        return MatrixUse(number, axis, math.prod(shape) // indices.shape[1], tuple(parts))

    def _added(self, number: int, positions: Positions) -> Iterator[tuple[Place, Indices]]:
        """Where weights are added to each unit, a number for all positions or one for each: indices (1 or S, J)."""
        name = self.network.nodes[number].outputs[0]
        if (bias := (number, positions.bias)) in self.uses:
            yield bias, self.uses[bias].indices.reshape(1, -1)
        own = places = np.arange(self.values[name].size).reshape(self.values[name].shape)
        while (reader := self._only_reader(name)) is not None:
            node = self.network.nodes[reader]
            if node.operation == "Add":
                added = reader, 1 - node.inputs.index(name)
                if added not in self.uses or self.values[node.outputs[0]].shape != places.shape:
                    return
                spread = np.empty_like(own)
                spread.ravel()[places] = self.uses[added].indices
                by_unit = positions.units(spread)[0]
                more = by_unit[:, :1] if (by_unit == by_unit[:, :1]).all() else by_unit
                if more.size == self.uses[added].indices.size:
                    yield added, more.T
            else:
                places = self._moved(node, name, places)
                if not np.array_equal(np.sort(places, axis=None), own.ravel()):
                    return
            name = node.outputs[0]

    def _only_reader(self, name: str) -> int | None:
        """The node that reads a value, if nothing else does."""
        readers = [number for number, node in enumerate(self.network.nodes) if name in node.inputs]
        return readers[0] if len(readers) == 1 and name != self.network.output else None

    def _moved(self, node: Node, name: str, places: Indices) -> Indices:
        """Which element of a value is where behind a node, if that moves all of them in a way that no point decides."""
        operation = TABLE[node.operation]
        if not operation.moves or not {*range(1, len(node.inputs))} <= {*operation.static}:
            return np.zeros(0, np.int64)
        return np.asarray(operation.forward(call_of(node, {**self.values, name: places}))[0])


def _distinct(*indices: Indices) -> bool:
    """Whether each is the place of a weight, and none the same as another's."""
    places = np.sort(np.concatenate([each.ravel() for each in indices]))
    return bool((places[:1] != CONSTANT).all() and (places[1:] != places[:-1]).all())
