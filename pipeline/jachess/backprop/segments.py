"""Segments of a network between two cuts, and what the Jacobian of each looks like.

A segment of linear operations with the same coefficients for all points is one matrix, computed once, if a product with
it costs less than a pass; a segment of elementwise operations has a derivative for each element. Through any other,
rows are pulled and columns are pushed, through several that follow each other at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

from jachess.backprop.cuts import Cut
from jachess.backprop.diagonal import Diagonal, Tangent, dense
from jachess.backprop.factors import Constant, Elementwise, Factor, product, room, spelled
from jachess.backprop.propagation import State, pull_cotangents, push_tangents
from jachess.network.evaluation import call_of
from jachess.network.graph import Array, Network, Node
from jachess.network.operations import TABLE
from jachess.network.paths import descendants
from jachess.network.working_arrays import empty

PASSING = 64
"""Multiplications in a product of matrices that take as long as an element takes to pass an operation."""

LARGEST = 1 << 20
"""Elements of a matrix that takes the place of a pass, unless it has no more than there are weights in it."""
BUILT = 1 << 20
"""Elements of the tangents of all values that a matrix is built from at a time."""


@dataclass(frozen=True)
class Segment:
    """The part of a network from one cut to another.

    Attributes
    ----------
    constant : Constant, optional
        Its Jacobian, if that is the same for all points.
    elementwise : bool
        Whether each element of the end depends on that of the start at its place.
    function : Node, optional
        The one function of one variable that the segment is.
    """

    network: Network
    start: Cut
    end: Cut
    constant: Constant | None
    elementwise: bool
    function: Node | None = None

    @property
    def passed(self) -> bool:
        """Whether rows and columns have to pass through the graph."""
        return self.constant is None and not self.elementwise

    @property
    def needs(self) -> str | None:
        """The last value that its Jacobian depends on."""
        if self.function is not None:
            return self.start.value
        return self.end.value if self.constant is None else None

    def pull(self, rows: Factor, state: State, out: Array | None = None) -> Factor:
        """Rows, a Jacobian with respect to the end, as one with respect to the start (8.30)."""
        own = self._factor(state)
        if own is not None:
            return product(rows, own, out)
        given = spelled(rows, state.n_points, self.end.width, self.network.w.dtype)
        seeds = {self.end.value: _points_last(given, state.values[self.end.value])}
        found = pull_cotangents(self.network, state, seeds, [self.start.value]).get(self.start.value)
        target = room(out, state.n_points, given.shape[1], self.start.width, self.network.w.dtype)
        return _written(target, None if found is None else found.swapaxes(0, 1))

    def push(self, columns: Factor, state: State, out: Array | None = None) -> Factor:
        """Columns, the Jacobian of the start, as that of the end (the forward formalism)."""
        own = self._factor(state)
        if own is not None:
            return product(own, columns, out)
        given = spelled(columns, state.n_points, self.start.width, self.network.w.dtype)
        seeds = {self.start.value: _points_last(given.swapaxes(1, 2), state.values[self.start.value])}
        found = dense(push_tangents(self.network, state, seeds, until=self.end.value).get(self.end.value))
        target = room(out, state.n_points, self.end.width, given.shape[2], self.network.w.dtype)
        return _written(target, None if found is None else np.moveaxis(found, 0, -1))

    def _factor(self, state: State) -> Factor:
        if not self.elementwise:
            return self.constant
        if self.function is None:
            found = _derivatives(self.network, self.start, self.end, state)
        else:
            derivative = TABLE[self.function.operation].derivative
            assert derivative is not None
            with np.errstate(all="ignore"):
                found = derivative(call_of(self.function, state.values))
        return Elementwise(np.ascontiguousarray(found.reshape(state.n_points, self.start.width)))


def find_segments(network: Network, cuts: Sequence[Cut], state: State) -> list[Segment]:
    """The segments between the cuts, each with its costs; ``state`` is that of a single point.

    There is none where the Jacobian is the identity, as that of a Reshape, or where a bias is added.
    """
    active = descendants(network, [network.input])
    varying = descendants(network, [i.name for i in network.inputs])
    found: list[Segment] = []
    for start, end in pairwise(cuts):
        nodes = [node for node in network.nodes[start.node + 1 : end.node + 1] if active.intersection(node.outputs)]
        passed = replace(end, operations=end.operations + PASSING * (start.width + end.elements))
        alike = all(_is_elementwise(node, active, state) for node in nodes)
        if all(_is_linear(node, active, varying) for node in nodes):
            if all(TABLE[node.operation].moves for node in nodes) and _keeps_order(network, start, end, state):
                continue
            if alike and (_derivatives(network, start, end, state) == 1).all():
                continue
            size = start.width * end.width
            if size <= passed.operations and size <= max(end.operations, LARGEST):
                _append(found, Segment(network, start, end, _matrix(network, start, end, state), False))
                continue
        single = alike and len(nodes) == 1 and TABLE[nodes[0].operation].derivative is not None
        found.append(Segment(network, start, end if alike else passed, None, alike, nodes[0] if single else None))
    return found


def in_runs(segments: Sequence[Segment]) -> Iterator[Segment]:
    """The same segments, with one in place of those between two matrices if one of them has to be passed."""
    for _, group in groupby(segments, lambda segment: segment.constant is None):
        run = list(group)
        passed = any(segment.passed for segment in run)
        yield from [replace(run[0], end=run[-1].end, elementwise=False, function=None)] if passed else run


def _append(found: list[Segment], segment: Segment) -> None:
    """Append a matrix, or its product with the one before, if that is smaller than both."""
    if found and found[-1].constant is not None:
        before = found[-1]
        a, b, c = before.start.width, segment.start.width, segment.end.width
        if a * c <= a * b + b * c:
            joined = product(segment.constant, before.constant)
            assert isinstance(joined, Constant)
            segment = Segment(segment.network, found.pop().start, segment.end, joined, False)
    start, end = segment.start, segment.end
    found.append(replace(segment, end=replace(end, operations=start.width * end.width, elements=end.width)))


def _is_linear(node: Node, active: set[str], varying: set[str]) -> bool:
    """Whether a node is linear in what depends on the input, and that with the same coefficients for all points."""
    record, n_active = TABLE[node.operation], sum(name in active for name in node.inputs)
    alone = n_active == 1 or record.curvature is None
    return (record.linear or record.moves) and alone and not any(name in varying - active for name in node.inputs)


def _is_elementwise(node: Node, active: set[str], state: State) -> bool:
    shape = state.values[node.outputs[0]].shape
    same = all(state.values[name].shape == shape for name in node.inputs if name in active)
    return TABLE[node.operation].elementwise and same


def _derivatives(network: Network, start: Cut, end: Cut, state: State) -> Array:
    """Tangents of the end, of its own shape, if all elements of the start have tangents of one."""
    seeds = {start.value: np.ones_like(state.values[start.value])[None]}
    found = dense(push_tangents(network, state, seeds, until=end.value)[end.value])
    assert found is not None
    return found


def _keeps_order(network: Network, start: Cut, end: Cut, state: State) -> bool:
    """Whether moves leave each element where it is, were all laid end to end."""
    numbers = np.arange(1.0, start.width + 1)
    seeds = {start.value: numbers.reshape(1, *state.values[start.value].shape)}
    moved = dense(push_tangents(network, state, seeds, until=end.value).get(end.value))
    return moved is not None and np.array_equal(moved.ravel(), numbers)


def _matrix(network: Network, start: Cut, end: Cut, state: State) -> Constant:
    """Tangents of the end for a unit perturbation of each element of the start, or its cotangents if these are less."""
    value, dtype = state.values[start.value], network.w.dtype
    matrix = np.zeros((end.width, start.width), dtype)
    forwards = value.ndim == 2 or start.width <= end.width
    width = start.width if forwards else end.width
    together = max(1, BUILT // state.n_elements)
    for first in range(0, width, together):
        some = np.arange(first, min(first + together, width))
        if forwards:
            ones: Tangent = _unit_rows(some, value, dtype)
            if value.ndim == 2:
                ones = Diagonal(np.ones((1, *value.shape), dtype), some)
            tangents = dense(push_tangents(network, state, {start.value: ones}, until=end.value).get(end.value))
            if tangents is not None:
                matrix[:, some] = tangents.reshape(len(some), end.width).T
        else:
            seeds = {end.value: _unit_rows(some, state.values[end.value], dtype)}
            cotangents = pull_cotangents(network, state, seeds, [start.value])
            if start.value in cotangents:
                matrix[some] = cotangents[start.value].reshape(len(some), start.width)
    return Constant(matrix)


def _unit_rows(places: Array, value: Array, dtype: np.dtype[np.floating]) -> Array:
    """For each of some elements of a value of one point, that with 1 there and 0 elsewhere."""
    rows = np.zeros((len(places), value.size), dtype)
    rows[np.arange(len(places)), places] = 1
    return rows.reshape(-1, *value.shape)


def _points_last(rows: Array, value: Array) -> Array:
    """Rows (n, R, M) as rows (R, n, *shape) of a value, with the points last in memory."""
    n_points, n_rows, width = rows.shape
    lying = empty((n_rows, width, n_points), rows.dtype)
    lying[...] = np.moveaxis(rows, 0, -1)
    return np.moveaxis(lying.reshape(n_rows, *value.shape[1:], n_points), -1, 1)


def _written(target: Array, rows: Array | None) -> Array:
    """The target (n, R, M), with these rows in it, of which an axis may be split into several."""
    if rows is None:
        target[...] = 0
    else:
        target.reshape(rows.shape)[...] = rows
    return target
