"""Softmax and LogSoftmax along one axis (8.34), shifted by the maximum so that nothing overflows."""

from __future__ import annotations

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.axes import from_end
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted


def _axis(call: Call) -> int:
    return from_end(call.attributes["axis"], call.x.ndim)


def _sum(array: Array, axis: int) -> Array:
    return np.asarray(array.sum(axis=axis, keepdims=True))


def _softmax(x: Array, axis: int) -> Array:
    shifted = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(shifted / _sum(shifted, axis))


def _forward(call: Call) -> Arrays:
    return (_softmax(call.x, _axis(call)),)


def _product(y: Array, v: Array, axis: int) -> Array:
    """(diag(y) − y yᵀ) v, which is symmetric: tangent and cotangent at once."""
    weighted = y * v
    return np.asarray(weighted - y * _sum(weighted, axis))


def _tangent(call: Call, dx: Maybe) -> Maybe:
    return (None if dx[0] is None else _product(call.y, dx[0], _axis(call)),)


def _cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    return (None if dy[0] is None else _product(call.y, dy[0], _axis(call)),)


def _curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
    # x̄ = y ⊙ (ȳ − Σ ȳ y), so its tangent with ȳ held fixed is ẏ ⊙ (ȳ − Σ ȳ y) − y Σ ȳ ẏ
    if dx[0] is None or dy[0] is None:
        return (None,)
    axis, y = _axis(call), call.y
    change = _product(y, dx[0], axis)
    return (change * (dy[0] - _sum(dy[0] * y, axis)) - y * _sum(dy[0] * change, axis),)


def _log_forward(call: Call) -> Arrays:
    axis = _axis(call)
    shifted = call.x - call.x.max(axis=axis, keepdims=True)
    return (np.asarray(shifted - np.log(_sum(np.exp(shifted), axis))),)


def _log_tangent(call: Call, dx: Maybe) -> Maybe:
    if dx[0] is None:
        return (None,)
    return (dx[0] - _sum(np.exp(call.y) * dx[0], _axis(call)),)


def _log_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    if dy[0] is None:
        return (None,)
    return (dy[0] - np.exp(call.y) * _sum(dy[0], _axis(call)),)


def _log_curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
    # the tangent of p = softmax(x) in x̄ = ȳ − p Σ ȳ
    if dx[0] is None or dy[0] is None:
        return (None,)
    axis = _axis(call)
    return (-_product(np.exp(call.y), dx[0], axis) * _sum(dy[0], axis),)


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
