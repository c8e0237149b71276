"""Softmax and LogSoftmax along one axis (8.34).

Arguments are shifted by the largest, so that nothing overflows; and so is what the derivatives are multiplied by: where
the largest output is 1 but for its last digits, no difference of nearly equal numbers is formed.
"""

from __future__ import annotations

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.axes import contracted, from_end
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted
from jachess.network.working_arrays import empty_like, lying_as


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
    return _product(y, v, _top(y, axis), axis)


def _product(y: Array, v: Array, top: Array, axis: int) -> Array:
    shifted = _from_top(v, top, axis)
    shifted -= contracted(y, shifted, (axis,))
    return np.multiply(y, shifted, out=shifted)


def _from_top(v: Array, top: Array, axis: int) -> Array:
    """Rows v less their element where y is largest: what is alike along the axis has no part in the product."""
    return np.subtract(v, contracted(top, v, (axis,)), out=empty_like(v, np.result_type(top, v)))


def _top(y: Array, axis: int) -> Array:
    """1 where y is largest along the axis, the first of several, else 0."""
    top = lying_as(np.zeros_like(y), y)
    np.put_along_axis(top, _largest(y, axis), 1, axis)
    return top


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


def _top_of(call: Call) -> Array:
    return call.once("top", lambda: _top(call.y, _axis(call)))


def _forward(call: Call) -> Arrays:
    return (softmax(call.x, _axis(call)),)


def _moved(call: Call, rows: Array | None) -> Maybe:
    return (None if rows is None else _product(call.y, rows, _top_of(call), _axis(call)),)


def _curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
    # x̄ = y ⊙ (ȳ − Σ ȳ y), so its tangent with ȳ held fixed is ẏ ⊙ (ȳ − Σ ȳ y) − y Σ ȳ ẏ
    if dx[0] is None or dy[0] is None:
        return (None,)
    axis, y, top = _axis(call), call.y, _top_of(call)
    change, delta = _product(y, dx[0], top, axis), _from_top(dy[0], top, axis)
    along = y * contracted(delta, change, (axis,))
    change *= delta - contracted(delta, y, (axis,))
    change -= along
    return (change,)


def _log_forward(call: Call) -> Arrays:
    axis = _axis(call)
    shifted = call.x - call.x.max(axis=axis, keepdims=True)
    return (np.asarray(shifted - log_sum(shifted, axis)),)


def _log_tangent(call: Call, dx: Maybe) -> Maybe:
    if dx[0] is None:
        return (None,)
    axis = _axis(call)
    shifted = _from_top(dx[0], _top_of(call), axis)
    return (shifted - contracted(np.exp(call.y), shifted, (axis,)),)


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
    Operation(
        "Softmax",
        (1, 1),
        _forward,
        lambda call, dx: _moved(call, dx[0]),
        lambda call, dy, wanted: _moved(call, dy[0]),
        _curvature,
        attributes={"axis": -1},
        analytic=True,
    ),
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
