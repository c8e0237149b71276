"""Pad and Resize: each axis of the output is made of the input's by a fixed linear map of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.axes import bounded, from_end
from jachess.network.operations.movement import integers
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted

_OUTSIDE = -1
"""Source of an element that is none of the input's."""


def _axes(call: Call, given: list[int] | None) -> list[int]:
    """The axes of a call, counted from the end; all of them by default."""
    ndim = call.x.ndim
    return [from_end(int(axis), ndim) for axis in given] if given is not None else list(range(-ndim, 0))


def _sources(call: Call) -> dict[int, Array]:
    """For each padded axis: which element of the input each of the output is."""
    pads, axes = integers(call, 1) or [], _axes(call, integers(call, 3))
    if len(pads) != 2 * len(axes):
        raise NetworkError(f"its pads do not fit (wanted {2 * len(axes)} numbers; got {len(pads)})")
    found = {}
    for axis, first, last in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        size = call.x.shape[axis]
        if (first, last) != (0, 0):
            bounded([size + abs(first) + abs(last)])
            inner = np.arange(max(0, -first), max(0, -first, size - max(0, -last)))
            width = (max(0, first), max(0, last))
            mode = call.attributes["mode"]
            if mode not in ("constant", "reflect", "edge", "wrap"):
                raise NetworkError(f"its mode '{mode}' is not supported (wanted constant, reflect, edge or wrap)")
            found[axis] = np.pad(inner, width, mode, **({"constant_values": _OUTSIDE} if mode == "constant" else {}))
    bounded(len(found[axis]) if axis in found else call.x.shape[axis] for axis in range(-call.x.ndim, 0))
    return found


def _padded(call: Call, rows: Array) -> Array:
    for axis, source in _sources(call).items():
        inside = (source != _OUTSIDE).reshape(-1, *(1,) * (-axis - 1))
        rows = np.where(inside, np.take(rows, source, axis=axis), 0).astype(rows.dtype)
    return rows


def _outside(call: Call) -> Array:
    """1 where an element is none of the input's."""
    return call.once("outside", lambda: 1 - _padded(call, np.ones(call.x.shape, call.x.real.dtype)))


def _pad(call: Call) -> Arrays:
    y, value = _padded(call, call.x), _optional(call, 2)
    return (y if value is None else np.where(_outside(call) == 1, value, y).astype(np.result_type(y, value)),)


def _pad_tangent(call: Call, dx: Maybe) -> Maybe:
    inner = None if dx[0] is None else _padded(call, dx[0])
    value = _optional(call, 2)
    if value is None or dx[2] is None:
        return (inner,)
    lead = dx[2].shape[: dx[2].ndim - value.ndim]
    outer = dx[2].reshape(*lead, *(1,) * call.y.ndim) * _outside(call)
    return (outer if inner is None else inner + outer,)


def _pad_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    found: list[Array | None] = [None] * len(call.inputs)
    value = _optional(call, 2)
    if dy[0] is not None:
        found[0] = _unpadded(call, dy[0])
        if value is not None and wanted[2]:
            lead = dy[0].shape[: dy[0].ndim - call.y.ndim]
            filled = (dy[0] * _outside(call)).reshape(*lead, -1).sum(axis=-1)
            found[2] = filled.reshape(lead + value.shape)
    return tuple(found)


def _unpadded(call: Call, rows: Array) -> Array:
    """The transpose of `_padded`."""
    for axis, source in _sources(call).items():
        inside = np.flatnonzero(source != _OUTSIDE)
        front = np.moveaxis(np.take(rows, inside, axis=axis), axis, 0)
        whole = np.zeros((call.x.shape[axis], *front.shape[1:]), rows.dtype)
        np.add.at(whole, source[inside], front)
        rows = np.moveaxis(whole, 0, axis)
    return rows


def _matrices(call: Call) -> dict[int, Array]:
    """For each axis that is resized the matrix (new size, size)."""
    scales, sizes = _optional(call, 2), _optional(call, 3)
    axes = _axes(call, call.attributes["axes"])
    if scales is not None and scales.size:
        factors = [float(factor) for factor in scales.ravel()]
        wanted = [int(np.floor(call.x.shape[axis] * f)) for axis, f in zip(axes, factors, strict=True)]
    elif sizes is not None:
        wanted = [int(size) for size in sizes.ravel()]
        factors = [size / call.x.shape[axis] for axis, size in zip(axes, wanted, strict=True)]
        policy = call.attributes["keep_aspect_ratio_policy"]
        if policy != "stretch":
            factors = [{"not_larger": min, "not_smaller": max}[policy](factors)] * len(axes)
            wanted = [int(np.floor(call.x.shape[axis] * factors[0] + 0.5)) for axis in axes]
    else:
        raise NetworkError("neither scales nor sizes are given")
    if min([*wanted, *factors], default=1) <= 0:
        raise NetworkError(f"nothing is left by its scales or sizes (got sizes {wanted})")
    bounded([*wanted, *(call.x.shape[i] for i in range(-call.x.ndim, 0) if i not in axes)])
    return {
        axis: resize_matrix(call.attributes, call.x.shape[axis], size, factor)
        for axis, size, factor in zip(axes, wanted, factors, strict=True)
        if size != call.x.shape[axis] or factor != 1
    }


def resize_matrix(attributes: Mapping[str, Any], n_in: int, n_out: int, scale: float) -> Array:
    """What each of ``n_out`` elements takes from ``n_in`` that lie 1/``scale`` apart, (n_out, n_in)."""
    bounded((n_in, n_out))
    x = _coordinates(attributes["coordinate_transformation_mode"], n_in, n_out, scale)
    matrix, mode = np.zeros((n_out, n_in)), attributes["mode"]
    if mode == "nearest":
        matrix[np.arange(n_out), np.clip(_rounded(x, attributes["nearest_mode"]), 0, n_in - 1)] = 1
        return matrix
    if mode not in ("linear", "cubic"):
        raise NetworkError(f"its mode '{mode}' is not supported (wanted nearest, linear or cubic)")
    reach, stretch = (1 if mode == "linear" else 2), (min(scale, 1.0) if attributes["antialias"] else 1.0)
    low, n_taps = np.floor(x - reach / stretch).astype(int), 2 * int(np.ceil(reach / stretch)) + 2
    for tap in range(n_taps):
        at = low + tap
        share = _kernel(np.abs(at - x) * stretch, mode, attributes["cubic_coeff_a"])
        if attributes["exclude_outside"]:
            share = np.where((at >= 0) & (at < n_in), share, 0)
        np.add.at(matrix, (np.arange(n_out), np.clip(at, 0, n_in - 1)), share)
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


def _coordinates(mode: str, n_in: int, n_out: int, scale: float) -> Array:
    """Where the output's elements lie among the input's."""
    i, length = np.arange(n_out), scale * n_in
    if mode == "asymmetric":
        return np.asarray(i / scale)
    if mode == "align_corners":
        return np.zeros(n_out) if length == 1 else np.asarray(i * (n_in - 1) / (length - 1))
    if mode == "pytorch_half_pixel" and length == 1:
        return np.full(n_out, -0.5)
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return np.asarray((i + 0.5) / scale - 0.5)
    if mode == "half_pixel_symmetric":
        return np.asarray(n_in / 2 * (1 - n_out / length) + (i + 0.5) / scale - 0.5)
    raise NetworkError(f"its coordinate_transformation_mode '{mode}' is not supported")


def _rounded(x: Array, mode: str) -> Array:
    rules = {
        "round_prefer_floor": lambda: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda: np.floor(x + 0.5),
        "floor": lambda: np.floor(x),
        "ceil": lambda: np.ceil(x),
    }
    if mode not in rules:
        raise NetworkError(f"its nearest_mode '{mode}' is not supported")
    return rules[mode]().astype(int)


def _kernel(distance: Array, mode: str, a: float) -> Array:
    """What an element counts at this distance."""
    if mode == "linear":
        return np.asarray(np.maximum(0, 1 - distance))
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.asarray(np.where(distance <= 1, near, np.where(distance < 2, far, 0)))


def _optional(call: Call, slot: int) -> Array | None:
    return call.inputs[slot] if slot < len(call.inputs) else None


def _resized(call: Call, rows: Array, *, back: bool = False) -> Array:
    for axis, matrix in _matrices(call).items():
        one = (matrix if back else matrix.T).astype(rows.real.dtype)
        product: Array = np.moveaxis(rows, axis, -1) @ one
        rows = np.moveaxis(product, -1, axis)
    return rows


def _resize_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    return (None if dy[0] is None else _resized(call, dy[0], back=True), *(None,) * (len(call.inputs) - 1))


RESAMPLING = (
    Operation(
        "Pad",
        (1, 4),
        _pad,
        _pad_tangent,
        _pad_cotangent,
        attributes={"mode": "constant"},
        static=(1, 3),
        analytic=True,
    ),
    Operation(
        "Resize",
        (1, 4),
        lambda call: (_resized(call, call.x),),
        lambda call, dx: (None if dx[0] is None else _resized(call, dx[0]),),
        _resize_cotangent,
        attributes={
            "antialias": 0,
            "axes": None,
            "coordinate_transformation_mode": "half_pixel",
            "cubic_coeff_a": -0.75,
            "exclude_outside": 0,
            "extrapolation_value": 0.0,
            "keep_aspect_ratio_policy": "stretch",
            "mode": "nearest",
            "nearest_mode": "round_prefer_floor",
        },
        static=(1, 2, 3),
        analytic=True,
    ),
)
