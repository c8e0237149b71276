"""Softmax and LogSoftmax along one axis (8.34).

Arguments are shifted by the largest, so that nothing overflows; and so is what the derivatives are multiplied by: where
the largest output is 1 but for its last digits, no difference of nearly equal numbers is formed.
"""

from __future__ import annotations

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.axes import from_end
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted
from jachess.network.working_arrays import lying_as


def _axis(call: Call) -> int:
    return from_end(call.attributes["axis"], call.x.ndim)


def _sum(array: Array, axis: int) -> Array:
    return np.asarray(array.sum(axis=axis, keepdims=True))


def softmax(x: Array, axis: int) -> Array:
    """Positive numbers that add up to 1 along the axis."""
    shifted = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(shifted / _sum(shifted, axis))


def log_sum(x: Array, axis: int) -> Array:
    """Log Σ e^x for x whose largest is 0; also where all others are so small that the sum rounds to 1."""
    others = np.exp(x)
    np.put_along_axis(others, _largest(x, axis), 0, axis)
    return np.asarray(np.log1p(_sum(others, axis)))


def product(y: Array, v: Array, axis: int) -> Array:
    """(diag(y) − y yᵀ) v, which is symmetric: tangent and cotangent at once."""
    shifted = from_largest(y, v, axis)
    weighted = y * shifted
    return np.asarray(weighted - y * _sum(weighted, axis))


def from_largest(y: Array, v: Array, axis: int) -> Array:
    """Rows v less their element where y is largest: what is alike along the axis has no part in the product."""
    numbers = np.arange(y.shape[axis]).reshape((-1, *(1,) * (-1 - axis)))
    return np.asarray(v - np.where(numbers == _largest(y, axis), v, 0).sum(axis=axis, keepdims=True))


def balanced(y: Array, rows: Array, axis: int) -> Array:
    """Rows that add up to 0 along the axis, with the element where y is largest made of the others, in place.

    There it is the difference of numbers that may agree in all their digits.
    """
    place = np.broadcast_to(_largest(y, axis), (*rows.shape[:axis], 1, *rows.shape[rows.ndim + axis + 1 :]))
    np.put_along_axis(rows, place, 0, axis)
    np.put_along_axis(rows, place, -_sum(rows, axis), axis)
    return rows


def _largest(y: Array, axis: int) -> Array:
    return lying_as(y.argmax(axis=axis, keepdims=True), y)


def _forward(call: Call) -> Arrays:
    return (softmax(call.x, _axis(call)),)


def _tangent(call: Call, dx: Maybe) -> Maybe:
    return (None if dx[0] is None else product(call.y, dx[0], _axis(call)),)


def _cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    return (None if dy[0] is None else product(call.y, dy[0], _axis(call)),)


def _curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
    # x̄ = y ⊙ (ȳ − Σ ȳ y), so its tangent with ȳ held fixed is ẏ ⊙ (ȳ − Σ ȳ y) − y Σ ȳ ẏ
    if dx[0] is None or dy[0] is None:
        return (None,)
    axis, y = _axis(call), call.y
    change, delta = product(y, dx[0], axis), from_largest(y, dy[0], axis)
    return (change * (delta - _sum(delta * y, axis)) - y * _sum(delta * change, axis),)


def _log_forward(call: Call) -> Arrays:
    axis = _axis(call)
    shifted = call.x - call.x.max(axis=axis, keepdims=True)
    return (np.asarray(shifted - log_sum(shifted, axis)),)


def _log_tangent(call: Call, dx: Maybe) -> Maybe:
    if dx[0] is None:
        return (None,)
    shifted = from_largest(call.y, dx[0], _axis(call))
    return (shifted - _sum(np.exp(call.y) * shifted, _axis(call)),)


def _log_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    if dy[0] is None:
        return (None,)
    return (balanced(call.y, dy[0] - np.exp(call.y) * _sum(dy[0], _axis(call)), _axis(call)),)


def _log_curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
    # the tangent of p = softmax(x) in x̄ = ȳ − p Σ ȳ
    if dx[0] is None or dy[0] is None:
        return (None,)
    axis = _axis(call)
    return (-product(np.exp(call.y), dx[0], axis) * _sum(dy[0], axis),)


SOFTMAX = (
    Operation("Softmax", (1, 1), _forward, _tangent, _cotangent, _curvature, attributes={"axis": -1}, analytic=True),
    Operation(
        "LogSoftmax",
        (1, 1),
        _log_forward,
        _log_tangent,
        _log_cotangent,
        _log_curvature,
        attributes={"axis": -1},
        analytic=True,
    ),
)
