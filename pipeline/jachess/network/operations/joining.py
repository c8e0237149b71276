"""Concat and Split: several values in or out."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.axes import bounded, from_end, is_float
from jachess.network.operations.movement import integers
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted


def _parts(call: Call) -> tuple[list[Array], int]:
    parts = [x for x in call.inputs if x is not None]
    return parts, from_end(call.attributes["axis"], parts[0].ndim)


def _cut(rows: Array, sizes: list[int], axis: int) -> list[Array]:
    return np.split(rows, list(accumulate(sizes))[:-1], axis=axis)


def _concat(call: Call) -> Arrays:
    parts, axis = _parts(call)
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    bounded(shape)
    return (np.concatenate(parts, axis=axis),)


def _concat_tangent(call: Call, dx: Maybe) -> Maybe:
    parts, axis = _parts(call)
    given = [tangent for tangent in dx if tangent is not None]
    if not given or not is_float(call.y):
        return (None,)
    lead = given[0].shape[: given[0].ndim - call.y.ndim]
    filled = [np.zeros(lead + x.shape, x.dtype) if t is None else t for x, t in zip(parts, dx, strict=True)]
    return (np.concatenate(filled, axis=axis),)


def _concat_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    parts, axis = _parts(call)
    if dy[0] is None or not is_float(call.y):
        return (None,) * len(parts)
    return tuple(_cut(dy[0], [part.shape[axis] for part in parts], axis))


def _sizes(call: Call, n_outputs: int) -> list[int]:
    axis = from_end(call.attributes["axis"], call.x.ndim)
    given, length = integers(call, 1, "split"), call.x.shape[axis]
    if given is not None:
        if sum(given) != length or min(given, default=0) < 0:
            raise NetworkError(f"parts {given} do not make up an axis of {length}")
        return given
    size = -(-length // n_outputs)  # the last part may be shorter
    return [max(0, min(size, length - i * size)) for i in range(n_outputs)]


def _split(call: Call) -> Arrays:
    given = integers(call, 1, "split")
    n_outputs = len(given) if given is not None else int(call.attributes["num_outputs"])
    axis = from_end(call.attributes["axis"], call.x.ndim)
    return tuple(_cut(call.x, _sizes(call, n_outputs), axis))


def _split_tangent(call: Call, dx: Maybe) -> Maybe:
    if dx[0] is None or not is_float(call.x):
        return (None,) * len(call.outputs)
    axis = from_end(call.attributes["axis"], call.x.ndim)
    return tuple(_cut(dx[0], [y.shape[axis] for y in call.outputs], axis))


def _split_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    given, rest = [d for d in dy if d is not None], (None,) * (len(call.inputs) - 1)
    if not given or not is_float(call.x):
        return (None, *rest)
    axis = from_end(call.attributes["axis"], call.x.ndim)
    lead = given[0].shape[: given[0].ndim - call.x.ndim]
    filled = [np.zeros(lead + y.shape, y.dtype) if d is None else d for y, d in zip(call.outputs, dy, strict=True)]
    return (np.concatenate(filled, axis=axis), *rest)


JOINING = (
    Operation("Concat", (1, 1 << 16), _concat, _concat_tangent, _concat_cotangent, attributes={"axis": 0}, moves=True),
    Operation(
        "Split",
        (1, 2),
        _split,
        _split_tangent,
        _split_cotangent,
        attributes={"axis": 0, "num_outputs": 0, "split": None},
        moves=True,
        static=(1,),
    ),
)
