"""Analytic functions of one variable, activation functions among them; all take complex numbers too."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.elementwise import unary
from jachess.network.operations.record import Operation
from jachess.network.working_arrays import empty_like


def smooth(name: str, f: Callable[[Any], Any], f1: Callable[[Any], Any], f2: Callable[[Any], Any]) -> Operation:
    """The record of an analytic function without attributes."""
    return unary(name, lambda x, _: f(x), lambda x, _: f1(x), lambda x, _: f2(x), analytic=True)


def _special() -> ModuleType:
    """SciPy's functions, for a network that has one: importing them takes a sixth of a worker's start."""
    from scipy import special

    return special


def _normal_density(x: Array) -> Array:
    return np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))


def _tanh(x: Array) -> Array:
    return np.asarray(np.tanh(x, out=empty_like(x, x.dtype)))


def _decay(x: Array, rate: float = 1) -> Array:
    """exp(−rate |x|); of complex numbers, whichever of exp(rate x) and exp(−rate x) does not grow."""
    if np.iscomplexobj(x):
        return np.exp(rate * np.where(x.real > 0, -x, x))
    found = np.abs(x, out=empty_like(x, x.dtype))
    found *= -rate
    return np.asarray(np.exp(found, out=found))


def tanh1(x: Array) -> Array:
    """tanh'(x) = 4 σ'(2x), without the cancellation of 1 − tanh²(x) where the unit saturates."""
    found = sigmoid1(x, 2)
    found *= 4
    return found


def sigmoid(x: Array) -> Array:
    """σ(x) = 1/(1 + e^−x), also of complex numbers."""
    if not np.iscomplexobj(x):
        return np.asarray(_special().expit(x, out=empty_like(x, x.dtype)))
    small = _decay(x)
    return np.asarray(np.where(x.real > 0, 1, small) / (1 + small))


def sigmoid1(x: Array, rate: float = 1) -> Array:
    """σ'(rate x) = e / (1 + e)², e = exp(−rate |x|): nothing cancels where σ is close to 1, and nothing overflows."""
    found = _decay(x, rate)
    below = np.add(found, 1, out=empty_like(found, found.dtype))
    below = np.square(below, out=below)
    return np.asarray(np.divide(found, below, out=found))


def sigmoid2(x: Array) -> Array:
    """σ''(x) = σ'(x) (1 − 2 σ(x)) = −σ'(x) tanh(x/2)."""
    return -sigmoid1(x) * np.tanh(0.5 * x)


def softplus(x: Array) -> Array:
    """log(1 + e^x) for any x."""
    return np.asarray(np.where(x.real > 0, x, 0) + np.log1p(_decay(x)))


def _mish1(x: Array, _: object) -> Array:
    t = np.tanh(softplus(x))
    return np.asarray(t + x * tanh1(softplus(x)) * sigmoid(x))


def _mish2(x: Array, _: object) -> Array:
    # y = x t(s(x)), t = tanh, s = softplus: y'' = 2 t' + x t'' with t' = tanh'(s)σ and t'' = tanh'(s)(σ' - 2tσ²)
    t, s = np.tanh(softplus(x)), sigmoid(x)
    return np.asarray(tanh1(softplus(x)) * (2 * s + x * (sigmoid1(x) - 2 * t * s * s)))


def _swish1(x: Array, at: Mapping[str, Any]) -> Array:
    a = at["alpha"]
    return np.asarray(sigmoid(a * x) + a * x * sigmoid1(a * x))


def _swish2(x: Array, at: Mapping[str, Any]) -> Array:
    a = at["alpha"]
    return np.asarray(2 * a * sigmoid1(a * x) + a * a * x * sigmoid2(a * x))


_ROOT = math.sqrt(2 / math.pi)


def _gelu(x: Array, at: Mapping[str, Any]) -> Array:
    if at["approximate"] == "tanh":
        return np.asarray(0.5 * x * (1 + np.tanh(_ROOT * (x + 0.044715 * x**3))))
    return np.asarray(x * _special().ndtr(x))


def _gelu1(x: Array, at: Mapping[str, Any]) -> Array:
    if at["approximate"] == "tanh":
        t = np.tanh(_ROOT * (x + 0.044715 * x**3))
        return np.asarray(0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _ROOT * (1 + 3 * 0.044715 * x * x))
    return np.asarray(_special().ndtr(x) + x * _normal_density(x))


def _gelu2(x: Array, at: Mapping[str, Any]) -> Array:
    if at["approximate"] == "tanh":
        # u = √(2/π)(x + 0.044715 x³); y'' = (1-t²)(u' + ½ x (u'' - 2 t u'²))
        t = np.tanh(_ROOT * (x + 0.044715 * x**3))
        u1, u2 = _ROOT * (1 + 3 * 0.044715 * x * x), _ROOT * 6 * 0.044715 * x
        return np.asarray((1 - t * t) * (u1 + 0.5 * x * (u2 - 2 * t * u1 * u1)))
    return np.asarray(_normal_density(x) * (2 - x * x))


SMOOTH = (
    unary("Neg", lambda x, _: -x, lambda x, _: np.full_like(x, -1), None, analytic=True),
    smooth("Exp", np.exp, np.exp, np.exp),
    smooth("Log", np.log, lambda x: 1 / x, lambda x: -1 / (x * x)),
    smooth("Sqrt", np.sqrt, lambda x: 0.5 / np.sqrt(x), lambda x: -0.25 / (x * np.sqrt(x))),
    smooth("Reciprocal", lambda x: 1 / x, lambda x: -1 / (x * x), lambda x: 2 / (x * x * x)),
    smooth(
        "Erf",
        lambda x: _special().erf(x),
        lambda x: (2 / math.sqrt(math.pi)) * np.exp(-x * x),
        lambda x: (-4 / math.sqrt(math.pi)) * x * np.exp(-x * x),
    ),
    smooth("Tanh", _tanh, tanh1, lambda x: -2 * np.tanh(x) * tanh1(x)),
    smooth("Sigmoid", sigmoid, sigmoid1, sigmoid2),
    smooth("Softplus", softplus, sigmoid, sigmoid1),
    unary("Mish", lambda x, _: x * np.tanh(softplus(x)), _mish1, _mish2, analytic=True),
    unary(
        "Swish",
        lambda x, at: x * sigmoid(at["alpha"] * x),
        _swish1,
        _swish2,
        attributes={"alpha": 1.0},
        analytic=True,
    ),
    unary("Gelu", _gelu, _gelu1, _gelu2, attributes={"approximate": "none"}, analytic=True),
)
