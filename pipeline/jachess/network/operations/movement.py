"""Operations that only move elements: the same move on the trailing axes of tangents, the opposite on cotangents."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.axes import bounded, is_float, unbroadcast
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted


def moving(
    name: str,
    n_inputs: tuple[int, int],
    move: Callable[[Call, Array], Array],
    back: Callable[[Call, Array], Array],
    **record: Any,
) -> Operation:
    """The record of a move of the first input.

    ``move(call, rows)`` maps rows (lead, *input) to rows (lead, *output), ``back(call, rows)`` is its transpose.
    """

    def forward(call: Call) -> Arrays:
        return (np.asarray(move(call, call.x)),)

    def tangent(call: Call, dx: Maybe) -> Maybe:
        return (None if dx[0] is None else move(call, dx[0]),)

    def cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
        rest = (None,) * (len(call.inputs) - 1)
        return (None if dy[0] is None or not is_float(call.x) else back(call, dy[0]), *rest)

    weights = record.pop("weights", ())
    return Operation(name, n_inputs, forward, tangent, cotangent, weights=weights, moves=True, **record)


def lead_of(rows: Array, ndim: int) -> tuple[int, ...]:
    """The axes in front of a value's own."""
    return rows.shape[: rows.ndim - ndim]


def integers(call: Call, slot: int, attribute: str | None = None) -> list[int] | None:
    """The whole numbers of an input, or of the attribute that older opsets have in its place."""
    value = call.inputs[slot] if slot < len(call.inputs) else None
    if value is not None:
        return [int(i) for i in np.asarray(value).ravel()]
    given = call.attributes.get(attribute) if attribute else None
    return None if given is None else [int(i) for i in np.atleast_1d(given)]


def reshaping(
    name: str, n_inputs: tuple[int, int], shape: Callable[[Call], tuple[int, ...]], **record: Any
) -> Operation:
    """A move that keeps the elements' order; ``shape(call)`` is the output's."""
    return moving(
        name,
        n_inputs,
        lambda call, rows: _reshaped(rows, lead_of(rows, call.x.ndim), shape(call)),
        lambda call, rows: _reshaped(rows, lead_of(rows, call.y.ndim), call.x.shape),
        **record,
    )


def _reshaped(rows: Array, lead: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """Rows (lead, *value) as (lead, *shape); a first axis that lies last in memory, as points may, does so again."""
    first = len(lead)
    if rows.ndim > first and shape and rows.shape[first] == shape[0] and rows.strides[first] == rows.itemsize:
        moved = np.moveaxis(rows, first, -1).reshape(*lead, *shape[1:], shape[0])
        return np.moveaxis(moved, -1, first)
    return rows.reshape(lead + shape)


def _reshape(call: Call) -> tuple[int, ...]:
    wanted = integers(call, 1) or []
    if not call.attributes["allowzero"]:
        wanted = [call.x.shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    if -1 in wanted:
        known = math.prod(size for size in wanted if size != -1)
        if known == 0 or call.x.size % known:
            raise NetworkError(f"cannot reshape {call.x.shape} to {tuple(wanted)}")
        wanted[wanted.index(-1)] = call.x.size // known
    if math.prod(wanted) != call.x.size or min(wanted, default=0) < 0:
        raise NetworkError(f"cannot reshape {call.x.shape} to {tuple(wanted)}")
    return tuple(wanted)


def _flatten(call: Call) -> tuple[int, ...]:
    axis = call.attributes["axis"]
    axis += call.x.ndim if axis < 0 else 0
    return math.prod(call.x.shape[:axis]), math.prod(call.x.shape[axis:])


def _squeeze(call: Call) -> tuple[int, ...]:
    shape, axes = call.x.shape, integers(call, 1)
    gone = {i for i, size in enumerate(shape) if size == 1} if axes is None else {axis % len(shape) for axis in axes}
    if any(shape[axis] != 1 for axis in gone):
        raise NetworkError(f"cannot squeeze axes {sorted(gone)} of {shape}")
    return tuple(size for i, size in enumerate(shape) if i not in gone)


def _unsqueeze(call: Call) -> tuple[int, ...]:
    axes = integers(call, 1) or []
    ndim = call.x.ndim + len(axes)
    new = {axis % ndim for axis in axes}
    sizes = iter(call.x.shape)
    return tuple(1 if i in new else next(sizes) for i in range(ndim))


def _perm(call: Call) -> tuple[int, ...]:
    perm = call.attributes["perm"]
    return tuple(reversed(range(call.x.ndim))) if perm is None else tuple(int(i) for i in perm)


def _permuted(rows: Array, perm: tuple[int, ...]) -> Array:
    lead = rows.ndim - len(perm)
    return rows.transpose((*range(lead), *(lead + i for i in perm)))


def _slices(call: Call) -> tuple[Any, ...]:
    starts, ends = integers(call, 1) or [], integers(call, 2) or []
    axes = integers(call, 3) or list(range(len(starts)))
    steps = integers(call, 4) or [1] * len(starts)
    chosen: list[Any] = [slice(None)] * call.x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = call.x.shape[axis]
        # ONNX counts an end before the first element as "to the first" where it steps backwards; so does Python,
        # but for a None instead of -1
        first, last, stride = slice(start, None if step < 0 and end < -size else end, step).indices(size)
        chosen[axis] = slice(first, None if last < 0 else last, stride)
    return (..., *chosen)


def _unsliced(call: Call, rows: Array) -> Array:
    whole = np.zeros(lead_of(rows, call.y.ndim) + call.x.shape, rows.dtype)
    whole[_slices(call)] = rows
    return whole


def _expand(call: Call, rows: Array) -> Array:
    shape = bounded(np.broadcast_shapes(call.x.shape, tuple(integers(call, 1) or ())))
    lead = lead_of(rows, call.x.ndim)
    padded = rows.reshape(lead + (1,) * (len(shape) - call.x.ndim) + call.x.shape)
    return np.ascontiguousarray(np.broadcast_to(padded, lead + shape))


def _tile(call: Call, rows: Array) -> Array:
    repeats = integers(call, 1) or []
    bounded(size * times for size, times in zip(call.x.shape, repeats, strict=True))
    return np.tile(rows, (*(1,) * (rows.ndim - call.x.ndim), *repeats))


def _untile(call: Call, rows: Array) -> Array:
    lead = lead_of(rows, call.y.ndim)
    split = [part for size, times in zip(call.x.shape, integers(call, 1) or [], strict=True) for part in (times, size)]
    return np.asarray(rows.reshape(lead + tuple(split)).sum(axis=tuple(len(lead) + 2 * i for i in range(call.x.ndim))))


def _same(call: Call, rows: Array) -> Array:
    return rows


MOVEMENT = (
    moving("Identity", (1, 1), _same, _same, elementwise=True),
    reshaping("Reshape", (2, 2), _reshape, attributes={"allowzero": 0}, static=(1,)),
    reshaping("Flatten", (1, 1), _flatten, attributes={"axis": 1}),
    reshaping("Squeeze", (1, 2), _squeeze, static=(1,)),
    reshaping("Unsqueeze", (2, 2), _unsqueeze, static=(1,)),
    moving(
        "Transpose",
        (1, 1),
        lambda call, rows: _permuted(rows, _perm(call)),
        lambda call, rows: _permuted(rows, tuple(int(i) for i in np.argsort(_perm(call)))),
        attributes={"perm": None},
    ),
    moving("Slice", (3, 5), lambda call, rows: rows[_slices(call)], _unsliced, static=(1, 2, 3, 4)),
    moving("Expand", (2, 2), _expand, lambda call, rows: unbroadcast(rows, call.y.ndim, call.x.shape), static=(1,)),
    moving("Tile", (2, 2), _tile, _untile, static=(1,)),
)
