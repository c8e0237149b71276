"""Arithmetic on shapes and types: evaluated once the number of points is known, never differentiated. Steps are flat.

Casts between floating types are the identity: a network is computed in one floating type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.axes import bounded, from_end, is_float
from jachess.network.operations.elementwise import unary
from jachess.network.operations.movement import integers
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted

_FLOATS = {1, 10, 11, 16}
_TYPES = {2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 12: "uint32", 13: "uint64"}


def _exact(name: str, n_inputs: tuple[int, int], f: Callable[[Call], Array], **attributes: object) -> Operation:
    return Operation(name, n_inputs, lambda call: (np.asarray(f(call)),), attributes=attributes)


def _steps(name: str, f: Callable[[Array], Array]) -> Operation:
    """A function that is flat but for its jumps: its derivative is not missing, but zero."""
    return unary(name, lambda x, _: f(x), lambda x, _: np.zeros_like(x), None, sides=lambda x, _: f(x))


def _compare(name: str, f: Callable[[Array, Array], Array]) -> Operation:
    def forward(call: Call) -> Array:
        a, b = call.inputs
        assert a is not None
        assert b is not None
        bounded(np.broadcast_shapes(a.shape, b.shape))
        return f(a, b)

    return _exact(name, (2, 2), forward)


def _shape(call: Call) -> Array:
    return np.array(call.x.shape[slice(call.attributes["start"], call.attributes["end"])], np.int64)


def _constant_of_shape(call: Call) -> Array:
    value = call.attributes["value"]
    filler = np.zeros(1) if value is None else np.asarray(value)
    return np.full(bounded(call.x.ravel()), filler.ravel()[0], filler.dtype)


def _range(call: Call) -> Array:
    start, limit, step = (np.asarray(x).reshape(()) for x in call.inputs)
    (length,) = bounded([max(0, int(np.ceil((limit - start) / step)))])
    return np.asarray(start + step * np.arange(length)).astype(start.dtype)


def _largest(call: Call) -> Array:
    """Places of the largest elements along an axis."""
    axis, keep = from_end(call.attributes["axis"], call.x.ndim), bool(call.attributes["keepdims"])
    if call.attributes["select_last_index"]:
        return np.asarray(call.x.shape[axis] - 1 - np.flip(call.x, axis).argmax(axis=axis, keepdims=keep))
    return np.asarray(call.x.argmax(axis=axis, keepdims=keep))


def _smallest(call: Call) -> Array:
    return _largest(Call(call.attributes, (-call.x,)))


def _one_hot(call: Call) -> Array:
    indices, depth, values = call.inputs
    assert indices is not None
    assert depth is not None
    assert values is not None
    n, axis = int(depth.item()), from_end(call.attributes["axis"], indices.ndim + 1)
    bounded((*indices.shape, n))
    places = np.expand_dims(np.where(indices < 0, indices + n, indices), axis)
    hot = places == np.arange(n).reshape(-1, *(1,) * (-axis - 1))
    return np.asarray(np.where(hot, values[1], values[0]))


def _is_infinite(call: Call) -> Array:
    found = np.isposinf(call.x) if call.attributes["detect_positive"] else np.zeros(call.x.shape, bool)
    return np.asarray(found | np.isneginf(call.x) if call.attributes["detect_negative"] else found)


def _mod(call: Call) -> Array:
    a, b = call.inputs
    assert a is not None
    assert b is not None
    return np.fmod(a, b) if call.attributes["fmod"] else np.mod(a, b)


def _product(call: Call) -> Array:
    given = integers(call, 1, "axes")
    axes = tuple(range(call.x.ndim)) if given is None else tuple(given)
    product = np.multiply.reduce(call.x, axis=axes, keepdims=True)
    return np.asarray(product if call.attributes["keepdims"] else np.squeeze(product, axis=axes))


def _constant(call: Call) -> Array:
    for name, value in call.attributes.items():
        if value is not None:
            array = np.asarray(value)
            floating = name in ("value_float", "value_floats")
            return array.astype(np.float64) if floating and array.dtype.kind != "f" else array
    raise NetworkError("a Constant without a value")


def _cast(call: Call) -> Arrays:
    to = int(call.attributes["to"])
    if to in _FLOATS:
        return (call.x if is_float(call.x) else call.x.astype(np.float64),)
    if to not in _TYPES:
        raise NetworkError(f"a cast to type {to} is not supported (wanted a number or bool)")
    return (call.x.astype(_TYPES[to]),)


def _cast_like(call: Call) -> Arrays:
    like = call.inputs[1]
    assert like is not None
    return (call.x if is_float(call.x) and is_float(like) else call.x.astype(like.dtype),)


def _pass_tangent(call: Call, dx: Maybe) -> Maybe:
    return (dx[0] if is_float(call.x) and is_float(call.y) else None, *(None,) * (len(call.outputs) - 1))


def _pass_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    return (dy[0] if is_float(call.x) and is_float(call.y) else None, *(None,) * (len(call.inputs) - 1))


def _dropout(call: Call) -> Arrays:
    training = call.inputs[2] if len(call.inputs) > 2 else None
    if training is not None and bool(np.all(training)):
        raise NetworkError("it drops units at random (training_mode). Export the network in evaluation mode")
    return (call.x, np.ones(call.x.shape, bool))


SHAPES = (
    _exact("Shape", (1, 1), _shape, start=0, end=None),
    _exact("Size", (1, 1), lambda call: np.array(call.x.size, np.int64)),
    replace(_exact("ConstantOfShape", (1, 1), _constant_of_shape, value=None), static=(0,)),
    replace(_exact("Range", (3, 3), _range), static=(0, 1, 2)),
    _exact("ReduceProd", (1, 2), _product, axes=None, keepdims=1, noop_with_empty_axes=0),
    _exact("Mod", (2, 2), _mod, fmod=0),
    _exact("Not", (1, 1), lambda call: np.logical_not(call.x)),
    _exact(
        "Constant",
        (0, 0),
        _constant,
        value=None,
        value_float=None,
        value_floats=None,
        value_int=None,
        value_ints=None,
    ),
    _steps("Floor", np.floor),
    _steps("Ceil", np.ceil),
    _steps("Round", np.round),
    _steps("Sign", np.sign),
    _compare("Equal", np.equal),
    _compare("Greater", np.greater),
    _compare("GreaterOrEqual", np.greater_equal),
    _compare("Less", np.less),
    _compare("LessOrEqual", np.less_equal),
    _compare("And", np.logical_and),
    _compare("Or", np.logical_or),
    _compare("Xor", np.logical_xor),
    _exact("ArgMax", (1, 1), _largest, axis=0, keepdims=1, select_last_index=0),
    _exact("ArgMin", (1, 1), _smallest, axis=0, keepdims=1, select_last_index=0),
    _exact("OneHot", (3, 3), _one_hot, axis=-1),
    _exact("IsNaN", (1, 1), lambda call: np.isnan(call.x)),
    _exact("IsInf", (1, 1), _is_infinite, detect_negative=1, detect_positive=1),
    Operation(
        "Cast",
        (1, 1),
        _cast,
        _pass_tangent,
        _pass_cotangent,
        attributes={"to": 1, "saturate": 1, "round_mode": "up"},
        moves=True,
    ),
    Operation(
        "CastLike",
        (2, 2),
        _cast_like,
        _pass_tangent,
        _pass_cotangent,
        attributes={"saturate": 1, "round_mode": "up"},
        moves=True,
    ),
    Operation("Dropout", (1, 3), _dropout, _pass_tangent, _pass_cotangent, attributes={"seed": 0}, moves=True),
)
