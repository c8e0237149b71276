"""Segments of a network between two cuts, and what the Jacobian of each looks like.

A segment of linear operations with the same coefficients for all points is one matrix, computed once; a segment of
elementwise operations has a derivative for each element. Through any other, rows are pulled and columns are pushed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from jachess.backprop.cuts import Cut
from jachess.backprop.diagonal import Diagonal, dense
from jachess.backprop.factors import Constant, Elementwise, Factor, product, spelled
from jachess.backprop.propagation import State, pull_cotangents, push_tangents
from jachess.network.graph import Array, Network, Node
from jachess.network.operations import TABLE
from jachess.network.paths import descendants
from jachess.network.working_arrays import empty


@dataclass(frozen=True)
class Segment:
    """The part of a network from one cut to the next; ``constant`` if its Jacobian is the same for all points."""

    network: Network
    start: Cut
    end: Cut
    constant: Constant | None
    elementwise: bool

    @property
    def passed(self) -> bool:
        """Whether rows and columns have to pass through the graph."""
        return self.constant is None and not self.elementwise

    def pull(self, rows: Factor, state: State, out: Array | None = None) -> Factor:
        """Rows, a Jacobian with respect to the end, as one with respect to the start (8.30)."""
        own = self._factor(state)
        if own is not None:
            return product(rows, own, out)
        given = spelled(rows, state.n_points, self.end.width, self.network.w.dtype)
        seeds = given.transpose(1, 0, 2).reshape(-1, *state.values[self.end.value].shape)
        cotangents = pull_cotangents(self.network, state, {self.end.value: seeds}, [self.start.value])
        return self._by_point(cotangents.get(self.start.value), state, given.shape[1], self.start.width)

    def push(self, columns: Factor, state: State, out: Array | None = None) -> Factor:
        """Columns, the Jacobian of the start, as that of the end (the forward formalism)."""
        own = self._factor(state)
        if own is not None:
            return product(own, columns, out)
        given = spelled(columns, state.n_points, self.start.width, self.network.w.dtype)
        seeds = given.transpose(2, 0, 1).reshape(-1, *state.values[self.start.value].shape)
        tangents = push_tangents(self.network, state, {self.start.value: seeds}, until=self.end.value)
        moved = self._by_point(dense(tangents.get(self.end.value)), state, given.shape[2], self.end.width)
        return np.ascontiguousarray(moved.transpose(0, 2, 1))

    def _by_point(self, rows: Array | None, state: State, n_rows: int, width: int) -> Array:
        """Rows (R, n, *shape) as (n, R, width), in memory of their own."""
        found = empty((state.n_points, n_rows, width), self.network.w.dtype)
        found[...] = 0 if rows is None else rows.reshape(n_rows, state.n_points, width).transpose(1, 0, 2)
        return found

    def _factor(self, state: State) -> Factor:
        if not self.elementwise:
            return self.constant
        response = _response(self.network, state, self.start, self.end)
        assert isinstance(response, Diagonal)
        return Elementwise(np.ascontiguousarray(response.values[0]))


def find_segments(network: Network, cuts: Sequence[Cut], state: State) -> list[Segment]:
    """The segments between the cuts; ``state`` is that of a single point."""
    active = descendants(network, [network.input])
    varying = descendants(network, [i.name for i in network.inputs])
    found = []
    for start, end in pairwise(cuts):
        nodes = [node for node in network.nodes[start.node + 1 : end.node + 1] if active.intersection(node.outputs)]
        constant = None
        if all(_is_linear(node, active, varying) for node in nodes):
            response = dense(_response(network, state, start, end))
            if response is not None:
                constant = Constant(np.ascontiguousarray(response.reshape(start.width, end.width).T))
        alike = constant is None and all(_is_elementwise(node, active, state) for node in nodes)
        found.append(Segment(network, start, end, constant, alike))
    return found


def _is_linear(node: Node, active: set[str], varying: set[str]) -> bool:
    """Whether a node is linear in what depends on the input, and that with the same coefficients for all points."""
    record, n_active = TABLE[node.operation], sum(name in active for name in node.inputs)
    alone = n_active == 1 or record.curvature is None
    return (record.linear or record.moves) and alone and not any(name in varying - active for name in node.inputs)


def _is_elementwise(node: Node, active: set[str], state: State) -> bool:
    shape = state.values[node.outputs[0]].shape
    same = all(state.values[name].shape == shape for name in node.inputs if name in active)
    return TABLE[node.operation].elementwise and same and len(shape) == 2


def _response(network: Network, state: State, start: Cut, end: Cut) -> Array | Diagonal | None:
    """Tangents of the end for a unit perturbation of each element of the start."""
    value = state.values[start.value]
    if value.ndim != 2:
        seeds = np.eye(start.width, dtype=network.w.dtype).reshape(start.width, *value.shape)
        return push_tangents(network, state, {start.value: seeds}, until=end.value).get(end.value)
    ones = Diagonal(np.ones((1, *value.shape), network.w.dtype), np.arange(start.width))
    return push_tangents(network, state, {start.value: ones}, until=end.value).get(end.value)
