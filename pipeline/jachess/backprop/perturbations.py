"""How forward propagation and backpropagation of some points respond to perturbed pre-activations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from jachess.backprop.diagonal import Diagonal, Tangent, dense
from jachess.backprop.gradient import errors_on_the_way, output_responses
from jachess.backprop.parallel import map_all
from jachess.backprop.propagation import (
    Chunks,
    Points,
    State,
    forward,
    n_values,
    points_last,
    pull_tangents_of_cotangents,
    push_tangents,
)
from jachess.network.graph import Array
from jachess.network.head import Head
from jachess.network.layers import Layer
from jachess.network.operations import TABLE
from jachess.network.operations.record import Positions
from jachess.network.positions import PositionedLayer
from jachess.network.working_arrays import empty_rows

PERTURBED = 1 << 23
"""Elements of the tangents of all values in one pass; more units are perturbed in groups."""

KEPT = 1 << 25
"""Elements of all chunks' values that are kept; of more, they are computed again each time."""


def perturbations(head: Head, chunks: Chunks) -> Iterator[Perturbations]:
    """Forward propagation and backpropagation of each chunk of points."""
    for points, targets in chunks():
        yield Perturbations(head, points, head.targets(targets))


def repeatable(head: Head, chunks: Sequence[tuple[Points, Array]]) -> Callable[[], Iterable[Perturbations]]:
    """What each call goes through again: made on all cores, and kept, if the points are few."""
    if 2 * n_values(head.network) * sum(len(targets) for _, targets in chunks) > KEPT:
        return lambda: perturbations(head, lambda: chunks)
    kept = list(map_all(lambda chunk: next(perturbations(head, lambda: [chunk])), chunks))
    return lambda: kept


class Perturbations:
    """Forward propagation and backpropagation of some points, and how both respond to perturbed pre-activations."""

    def __init__(self, head: Head, points: Points, targets: Array) -> None:
        self.head, self.targets = head, np.asfortranarray(targets, dtype=head.network.w.dtype)
        self.state: State = forward(head.network, points_last(points))
        self.delta = errors_on_the_way(head, self.state, self.targets)
        self._inputs: dict[tuple[tuple[str, int], ...], Array] = {}
        self._seen: dict[int, Array] = {}

    def error(self, layer: Layer) -> Array | None:
        """δ of a layer's units (M, n)."""
        delta = self.delta.get(layer.pre_activation)
        return None if delta is None else delta.T

    def perturb(
        self, layer: Layer, units: Array, targets: Collection[str], positions: slice = slice(0, 1)
    ) -> tuple[dict[str, Tangent], dict[str, Array]]:
        """Tangents G and responses R (rows, n, *shape) to a unit perturbation of each unit's pre-activations.

        A unit has a row for each of its positions.
        """
        network = self.head.network
        seeds = {layer.pre_activation: self._unit_vectors(layer, units, positions)}
        tangents = push_tangents(network, self.state, seeds)
        begin = output_responses(self.head, self.state, self.targets, tangents)
        return tangents, pull_tangents_of_cotangents(network, self.state, tangents, self.delta, begin, targets)

    def _unit_vectors(self, layer: Layer, units: Array, positions: slice) -> Tangent:
        value = self.state.values[layer.pre_activation]
        if not isinstance(layer, PositionedLayer):
            return Diagonal(np.ones_like(value)[None], units)
        n_positions = positions.stop - positions.start
        unit, position = np.divmod(np.arange(len(units) * n_positions), n_positions)
        places = self._uses(layer).units(np.arange(value.size).reshape(value.shape))
        chosen = np.unravel_index(places[:, units[unit], positions.start + position], value.shape)
        rows = empty_rows((len(unit),), value, value.dtype)
        rows[...] = 0
        rows[np.arange(len(unit)), *chosen] = 1
        return rows

    def fed(self, layer: Layer) -> Array:
        """What feeds a layer, (ΣI, n), with a row of ones for each bias."""
        if layer.inputs not in self._inputs:
            dtype, n_points = self.head.network.w.dtype, self.state.n_points
            parts = [self.state.values[name].T if name else np.ones((1, n_points), dtype) for name, _ in layer.inputs]
            self._inputs[layer.inputs] = np.concatenate(parts)
        return self._inputs[layer.inputs]

    def seen(self, layer: Layer) -> Array:
        """What feeds a layer at each of its positions, z (n, ΣI, S), with ones for each bias."""
        if not isinstance(layer, PositionedLayer):
            return self.fed(layer).T[:, :, None]
        if id(layer) not in self._seen:
            rows = self._uses(layer).seen(self.state.values[layer.inputs[0][0]])
            found = np.zeros((len(rows), len(layer.indices), layer.n_positions), rows.dtype)
            start = rows.shape[1]
            found[:, :start] = rows
            for _, width in layer.inputs[1:]:  # one for all positions, or for each its own
                found[:, start : start + width] = 1 if width == 1 else np.eye(layer.n_positions)
                start += width
            self._seen[id(layer)] = found
        return self._seen[id(layer)]

    def seen_tangents(self, layer: Layer, tangents: Mapping[str, Tangent]) -> list[tuple[int, Array]]:
        """G of what feeds it, of each source that responds: its first input i, and (rows, n, I, S)."""
        found, start = [], 0
        for name, width in layer.inputs:
            tangent = dense(tangents.get(name))
            if tangent is not None:
                rows = self._uses(layer).seen(tangent) if isinstance(layer, PositionedLayer) else tangent[..., None]
                found.append((start, rows))
            start += width
        return found

    def at_units(self, layer: Layer, rows: Array) -> Array:
        """Rows of a layer's pre-activation (…, n, *shape) as (…, n, M, S)."""
        return self._uses(layer).units(rows) if isinstance(layer, PositionedLayer) else rows[..., None]

    def errors_at_units(self, layer: Layer) -> Array | None:
        """δ of its units, (n, M, S)."""
        delta = self.delta.get(layer.pre_activation)
        return None if delta is None else self.at_units(layer, delta)

    def _uses(self, layer: PositionedLayer) -> Positions:
        rule = TABLE[self.head.network.nodes[layer.order].operation].positions
        assert rule is not None
        found = rule(self.state.calls[layer.order], layer.point_axis)
        assert found is not None
        return found
