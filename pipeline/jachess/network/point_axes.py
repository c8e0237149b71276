"""Where the points are in the values of a network: on an axis of their own, or on one that they share with others.

Tokens are often folded into the points' axis for a matrix product, (N, T, D) as (N · T, D) or (T, N, D) as (T · N, D).
Which of an axis's elements are whose, its length does not tell; the moves that led there do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jachess.network.evaluation import call_of, evaluate
from jachess.network.graph import Array, Network, Node
from jachess.network.operations import TABLE
from jachess.network.operations.axes import is_float
from jachess.network.operations.record import PointAxis
from jachess.network.weight_vector import unpack

Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Growth:
    """Which axis of a value grows with the points, by how many elements each, and the value's shape for one point."""

    axis: int
    each: int
    shape: Shape


def point_axes(network: Network) -> dict[str, tuple[PointAxis, Shape]]:
    """Of all values of which one axis grows with the points, and no other: that axis, and the shape for one point.

    Those are left out on whose axis it is not known which elements are whose.
    """
    two, three = (zero_values(network, n_points) for n_points in (2, 3))
    growth = {name: grown for name in two if (grown := _growth(np.shape(two[name]), np.shape(three[name]))) is not None}
    found = {name: PointAxis(grown.axis) for name, grown in growth.items() if grown.each == 1}
    for node in network.nodes:
        for name in node.outputs:
            if name in growth and name not in found:
                axis = _shared(node, name, growth, found, three)
                found.update({} if axis is None else {name: axis})
    return {name: (axis, growth[name].shape) for name, axis in found.items()}


def zero_values(network: Network, n_points: int) -> dict[str, Array]:
    """All values of points of zeros, where their shapes are all that is asked."""
    given = {i.name: np.zeros((n_points, *i.shape), i.dtype) for i in network.inputs}
    return evaluate(network.nodes, {**network.constants, **unpack(network, network.w), **given})


def _growth(two: Shape, three: Shape) -> _Growth | None:
    """How a value grows that has these shapes for two and three points."""
    growing = [axis for axis, sizes in enumerate(zip(two, three, strict=True)) if sizes != (two[axis],) * 2]
    if len(growing) != 1 or 3 * two[growing[0]] != 2 * three[growing[0]]:
        return None
    axis = growing[0]
    return _Growth(axis, two[axis] // 2, (*two[:axis], two[axis] // 2, *two[axis + 1 :]))


def _shared(
    node: Node, name: str, growth: Mapping[str, _Growth], found: Mapping[str, PointAxis], values: Mapping[str, Array]
) -> PointAxis | None:
    """The axis of a node's output that the points share with others.

    What is done with each point for itself leaves its elements where they are, unless it is a move of them.
    """
    growing = [source for source in node.inputs if source in growth]
    if not growing or not all(source in found for source in growing):
        return None
    if TABLE[node.operation].moves and node.inputs[0] in growing:
        return _moved(node, name, growth[name], {source: found[source] for source in growing}, values)
    own = growth[name].axis, growth[name].each
    axes = {found[source] for source in growing}
    alike = all((growth[source].axis, growth[source].each) == own for source in growing)
    return axes.pop() if alike and len(axes) == 1 else None


def _moved(
    node: Node, name: str, grown: _Growth, axes: Mapping[str, PointAxis], values: Mapping[str, Array]
) -> PointAxis | None:
    """The axis behind a move, by moving the points' numbers."""
    numbers = {
        source: _numbers(axis, values[source].shape).astype(values[source].dtype)
        for source, axis in axes.items()
        if source == node.inputs[0] or is_float(values[source])
    }
    moved = TABLE[node.operation].forward(call_of(node, {**values, **numbers}))[node.outputs.index(name)]
    if not moved.size:
        return None
    line = np.moveaxis(moved, grown.axis, 0).reshape(moved.shape[grown.axis], -1)[:, 0]
    after = int(np.argmax(line != 0))  # of these the first point has as many as lie side by side
    if not after or grown.each % after:
        return None
    axis = PointAxis(grown.axis, grown.each // after, after)
    return axis if np.array_equal(moved, _numbers(axis, moved.shape)) else None


def _numbers(axis: PointAxis, shape: Shape) -> Array:
    """Of each element of a value its point's number."""
    n_points = shape[axis.axis] // (axis.before * axis.after)
    line = np.tile(np.repeat(np.arange(n_points), axis.after), axis.before)
    return np.broadcast_to(line.reshape(-1, *(1,) * (len(shape) - axis.axis - 1)), shape)
