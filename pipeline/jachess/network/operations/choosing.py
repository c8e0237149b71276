"""Operations that choose: one of two operands (Where), or an operand within limits (Clip)."""

from __future__ import annotations

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.arithmetic import operands, total
from jachess.network.operations.axes import align, broadcast_shape, is_float, unbroadcast
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted


def _where_forward(call: Call) -> Arrays:
    condition, x, y = operands(call)
    broadcast_shape(condition.shape, x.shape, y.shape)
    return (np.where(condition, x, y),)


def _where_tangent(call: Call, dx: Maybe) -> Maybe:
    # each branch is chosen, not multiplied by 0 or 1: the other one may be infinite
    condition, x, y = operands(call)
    terms = []
    for slot, chosen in ((1, condition), (2, ~condition)):
        tangent, value = dx[slot], (x, y)[slot - 1]
        if tangent is not None and is_float(value):
            terms.append(np.where(chosen, align(tangent, value.ndim, call.y.ndim), 0).astype(value.dtype))
    return (total(terms),)


def _where_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    condition, x, y = operands(call)
    found: list[Array | None] = [None]
    for slot, chosen in ((1, condition), (2, ~condition)):
        value = (x, y)[slot - 1]
        if wanted[slot] and dy[0] is not None and is_float(value):
            found.append(unbroadcast(np.where(chosen, dy[0], 0).astype(value.dtype), call.y.ndim, value.shape))
        else:
            found.append(None)
    return tuple(found)


WHERE = Operation(
    "Where",
    (3, 3),
    _where_forward,
    _where_tangent,
    _where_cotangent,
    sides=lambda call: np.broadcast_to(operands(call)[0], call.y.shape),
    elementwise=True,
)


def _limits(call: Call) -> tuple[Array, Array]:
    limits = [call.inputs[slot] if slot < len(call.inputs) else None for slot in (1, 2)]
    low = np.asarray(-np.inf) if limits[0] is None else limits[0]
    high = np.asarray(np.inf) if limits[1] is None else limits[1]
    return low, high


def _pieces(call: Call) -> Arrays:
    """Where y is x, where it is the lower limit, and where the upper one."""
    low, high = _limits(call)
    above = np.maximum(call.x, low) > high
    inside = (call.x >= low) & ~above
    return inside, ~inside & ~above, above


def _clip_sides(call: Call) -> Array:
    low, high = _limits(call)
    return np.asarray((call.x > low).astype(np.int8) + (call.x >= high))


def _clip_tangent(call: Call, dx: Maybe) -> Maybe:
    terms = [
        np.where(piece, align(tangent, value.ndim, call.y.ndim), 0).astype(call.y.dtype)
        for piece, tangent, value in zip(_pieces(call), dx, call.inputs, strict=False)
        if tangent is not None and value is not None
    ]
    return (total(terms),)


def _clip_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    return tuple(
        unbroadcast(np.where(piece, dy[0], 0).astype(value.dtype), call.y.ndim, value.shape)
        if flag and dy[0] is not None and value is not None and is_float(value)
        else None
        for piece, value, flag in zip(_pieces(call), call.inputs, wanted, strict=False)
    )


CLIP = Operation(
    "Clip",
    (1, 3),
    lambda call: (np.asarray(np.minimum(np.maximum(call.x, _limits(call)[0]), _limits(call)[1])).astype(call.x.dtype),),
    _clip_tangent,
    _clip_cotangent,
    sides=_clip_sides,
    elementwise=True,
)
