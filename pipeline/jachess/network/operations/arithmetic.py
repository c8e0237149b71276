"""Arithmetic of several operands that broadcast against each other, from first and second partial derivatives.

ẏ = Σ_i f_i ẋ_i, x̄_i = f_i ȳ and the curvature Σ_j f_ij ẋ_j ȳ, each summed over the axes along which x_i was repeated.
Ties of Max and Min go to the first operand, as in PyTorch's row-major rule for maxima.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.axes import align, broadcast_shape, is_float, times, unbroadcast
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted

Partial = Callable[[Arrays, int], "Array | float"]
"""∂f/∂x_i at the operands."""
Second = Callable[[Arrays, int, int], "Array | float | None"]
"""∂²f/∂x_i∂x_j at the operands; None where it is zero."""


def broadcasting(
    name: str,
    f: Callable[[Arrays], Array],
    first: Partial,
    second: Second | None = None,
    *,
    n_inputs: tuple[int, int] = (2, 2),
    sides: Callable[[Arrays], Array] | None = None,
    attributes: Mapping[str, Any] | None = None,
    weights: tuple[int, ...] = (),
    linear: bool = False,
    analytic: bool = False,
) -> Operation:
    """The record of an elementwise function of several operands; ``second`` None: its curvature is zero."""

    def forward(call: Call) -> Arrays:
        xs = operands(call)
        broadcast_shape(*(x.shape for x in xs))
        return (np.asarray(f(xs)),)

    def tangent(call: Call, dx: Maybe) -> Maybe:
        xs, terms = operands(call), []
        for i, tangent in enumerate(dx):
            if tangent is not None and is_float(xs[i]):
                aligned = align(tangent, xs[i].ndim, call.y.ndim)
                terms.append(
                    np.broadcast_to(
                        times(first(xs, i), aligned), aligned.shape[: aligned.ndim - call.y.ndim] + call.y.shape
                    )
                )
        return (total(terms),)

    def cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
        xs = operands(call)
        return tuple(
            unbroadcast(times(first(xs, i), dy[0]), call.y.ndim, x.shape)
            if flag and dy[0] is not None and is_float(x)
            else None
            for i, (x, flag) in enumerate(zip(xs, wanted, strict=True))
        )

    def curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
        assert second is not None
        xs, found = operands(call), []
        for i, (x, flag) in enumerate(zip(xs, wanted, strict=True)):
            terms = []
            for j, tangent in enumerate(dx):
                if flag and tangent is not None and dy[0] is not None and is_float(x) and is_float(xs[j]):
                    partial = second(xs, i, j)
                    if partial is not None:
                        term = times(times(partial, dy[0]), align(tangent, xs[j].ndim, call.y.ndim))
                        terms.append(unbroadcast(term, call.y.ndim, x.shape))
            found.append(total(terms))
        return tuple(found)

    return Operation(
        name,
        n_inputs,
        forward,
        tangent,
        cotangent,
        curvature if second is not None else None,
        sides=None if sides is None else lambda call: sides(operands(call)),
        attributes=attributes or {},
        weights=weights,
        linear=linear,
        elementwise=True,
        analytic=analytic,
    )


def operands(call: Call) -> Arrays:
    """The inputs, none of which may be left out."""
    return tuple(x for x in call.inputs if x is not None)


def total(terms: list[Array]) -> Array | None:
    """The sum of some terms; None is that of none."""
    return sum(terms[1:], start=terms[0]) if terms else None


def _divide(xs: Arrays) -> Array:
    if xs[0].dtype.kind in "iu" and xs[1].dtype.kind in "iu":
        return np.asarray(np.trunc(xs[0] / xs[1])).astype(xs[0].dtype)  # ONNX: towards zero
    return np.asarray(xs[0] / xs[1])


def _divide1(xs: Arrays, i: int) -> Array:
    a, b = xs
    return np.asarray(1 / b if i == 0 else -a / (b * b))


def _divide2(xs: Arrays, i: int, j: int) -> Array | None:
    a, b = xs
    if (i, j) == (0, 0):
        return None
    return np.asarray(2 * a / (b * b * b) if i == j else -1 / (b * b))


def _power(xs: Arrays) -> Array:
    return np.asarray(np.power(xs[0], xs[1].astype(xs[0].dtype) if is_float(xs[0]) else xs[1])).astype(xs[0].dtype)


def _scaled_power(factor: Array, x: Array, exponent: Array) -> Array:
    """Factor · x^exponent, which is 0 where the factor is 0, whatever the power."""
    factor = factor.astype(x.dtype)
    safe = np.where(factor == 0, 1, np.power(x, exponent.astype(x.dtype)))
    return np.asarray(factor * safe)


def _power1(xs: Arrays, i: int) -> Array:
    x, p = xs
    return _scaled_power(p, x, p - 1) if i == 0 else np.asarray(np.power(x, p) * np.log(x))


def _power2(xs: Arrays, i: int, j: int) -> Array:
    x, p = xs
    if i == j == 0:
        return _scaled_power(p * (p - 1), x, p - 2)
    if i == j == 1:
        return np.asarray(np.power(x, p) * np.log(x) ** 2)
    return np.asarray(np.power(x, p - 1) * (1 + p * np.log(x)))


def _extreme(function: Callable[[Array, Array], Array]) -> Callable[[Arrays], Array]:
    def fold(xs: Arrays) -> Array:
        result = xs[0]
        for x in xs[1:]:
            result = function(result, x)
        return np.asarray(result)

    return fold


def _winner(pick: Callable[..., Array]) -> Callable[[Arrays], Array]:
    return lambda xs: np.asarray(pick(np.stack(np.broadcast_arrays(*xs)), axis=0))


def _share(pick: Callable[..., Array]) -> Partial:
    return lambda xs, i: (_winner(pick)(xs) == i).astype(xs[i].dtype)


ARITHMETIC = (
    broadcasting("Add", lambda xs: xs[0] + xs[1], lambda xs, i: 1.0, weights=(0, 1), linear=True, analytic=True),
    broadcasting("Sub", lambda xs: xs[0] - xs[1], lambda xs, i: 1.0 - 2.0 * i, linear=True, analytic=True),
    broadcasting(
        "Mul",
        lambda xs: xs[0] * xs[1],
        lambda xs, i: xs[1 - i],
        lambda xs, i, j: None if i == j else 1.0,
        linear=True,
        analytic=True,
    ),
    broadcasting("Div", _divide, _divide1, _divide2, analytic=True),
    broadcasting("Pow", _power, _power1, _power2),
    broadcasting("Sum", lambda xs: np.asarray(sum(xs)), lambda xs, i: 1.0, n_inputs=(1, 1 << 16), analytic=True),
    broadcasting(
        "Mean",
        lambda xs: np.asarray(sum(xs) / len(xs)),
        lambda xs, i: 1.0 / len(xs),
        n_inputs=(1, 1 << 16),
        analytic=True,
    ),
    broadcasting("Max", _extreme(np.maximum), _share(np.argmax), n_inputs=(1, 1 << 16), sides=_winner(np.argmax)),
    broadcasting("Min", _extreme(np.minimum), _share(np.argmin), n_inputs=(1, 1 << 16), sides=_winner(np.argmin)),
    broadcasting(
        "PRelu",
        lambda xs: np.where(xs[0] > 0, xs[0], xs[1] * xs[0]).astype(xs[0].dtype),
        lambda xs, i: np.where(xs[0] > 0, 1, xs[1]).astype(xs[0].dtype) if i == 0 else np.minimum(xs[0], 0),
        lambda xs, i, j: None if i == j else (xs[0] <= 0).astype(xs[0].dtype),
        sides=lambda xs: xs[0] > 0,
        weights=(1,),
    ),
)
