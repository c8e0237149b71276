"""Smooth functions of one variable and the activation functions, each a record of f, f' and f''.

Every rule follows from the three: ẏ = f' ẋ, x̄ = f' ȳ, and the curvature f'' ẋ ȳ. At a kink the derivative is the one
from the left, where f is flat (ReLU and its relatives: 0 at 0), as PyTorch has it; `sides` tells on which piece an
element lies, so that the checks leave out differences across a kink.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from jachess.network.graph import Array
from jachess.network.operations.axes import times
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted

Function = Callable[[Array, Mapping[str, Any]], Array]
"""A function of x and the attributes."""


def unary(
    name: str,
    f: Function,
    f1: Function,
    f2: Function | None,
    *,
    sides: Function | None = None,
    attributes: Mapping[str, Any] | None = None,
    analytic: bool = False,
) -> Operation:
    """The record of an elementwise function from its first two derivatives (f2 None: f is piecewise linear)."""

    def forward(call: Call) -> Arrays:
        return (np.asarray(f(call.x, call.attributes)),)

    def first(call: Call) -> Array:
        return call.once("f'", lambda: f1(call.x, call.attributes))

    def tangent(call: Call, dx: Maybe) -> Maybe:
        return (None if dx[0] is None else times(first(call), dx[0]),)

    def cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
        return (None if dy[0] is None else times(first(call), dy[0]),)

    def curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
        if dx[0] is None or dy[0] is None or f2 is None:
            return (None,)
        second = call.once("f''", lambda: f2(call.x, call.attributes))
        return (times(times(second, dy[0]), dx[0]),)

    return Operation(
        name,
        (1, 1),
        forward,
        tangent,
        cotangent,
        curvature if f2 is not None else None,
        sides=None if sides is None else lambda call: sides(call.x, call.attributes),
        attributes=attributes or {},
        elementwise=True,
        analytic=analytic,
    )


def _smooth(name: str, f: Callable[[Any], Any], f1: Callable[[Any], Any], f2: Callable[[Any], Any]) -> Operation:
    return unary(name, lambda x, _: f(x), lambda x, _: f1(x), lambda x, _: f2(x), analytic=True)


def _normal_density(x: Array) -> Array:
    return np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))


def tanh1(x: Array) -> Array:
    """tanh'(x) = 4 e^−2|x| / (1 + e^−2|x|)², without the cancellation of 1 − tanh²(x) where the unit saturates."""
    small = np.exp(np.where(x.real > 0, -2 * x, 2 * x))
    return np.asarray(4 * small / (1 + small) ** 2)


def sigmoid(x: Array) -> Array:
    """σ(x) = 1/(1 + e^−x), also of complex numbers."""
    return np.asarray(1 / (1 + np.exp(-x)) if np.iscomplexobj(x) else special.expit(x))


def sigmoid1(x: Array) -> Array:
    """σ'(x) = σ(x) σ(−x), without cancellation where σ is close to 1."""
    return np.asarray(sigmoid(x) * sigmoid(-x))


def sigmoid2(x: Array) -> Array:
    """σ''(x) = σ'(x) (1 − 2 σ(x)) = −σ'(x) tanh(x/2)."""
    return -sigmoid1(x) * np.tanh(0.5 * x)


def softplus(x: Array) -> Array:
    """log(1 + e^x) for any x."""
    positive = x.real > 0
    return np.asarray(np.where(positive, x, 0) + np.log1p(np.exp(np.where(positive, -x, x))))


SMOOTH = (
    unary("Neg", lambda x, _: -x, lambda x, _: np.full_like(x, -1), None, analytic=True),
    _smooth("Exp", np.exp, np.exp, np.exp),
    _smooth("Log", np.log, lambda x: 1 / x, lambda x: -1 / (x * x)),
    _smooth("Sqrt", np.sqrt, lambda x: 0.5 / np.sqrt(x), lambda x: -0.25 / (x * np.sqrt(x))),
    _smooth("Reciprocal", lambda x: 1 / x, lambda x: -1 / (x * x), lambda x: 2 / (x * x * x)),
    _smooth("Sin", np.sin, np.cos, lambda x: -np.sin(x)),
    _smooth("Cos", np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)),
    _smooth("Atan", np.arctan, lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2),
    _smooth(
        "Erf",
        special.erf,
        lambda x: (2 / math.sqrt(math.pi)) * np.exp(-x * x),
        lambda x: (-4 / math.sqrt(math.pi)) * x * np.exp(-x * x),
    ),
    _smooth("Tanh", np.tanh, tanh1, lambda x: -2 * np.tanh(x) * tanh1(x)),
    _smooth("Sigmoid", sigmoid, sigmoid1, sigmoid2),
    _smooth("Softplus", softplus, sigmoid, sigmoid1),
)


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
    return np.asarray(x * special.ndtr(x))


def _gelu1(x: Array, at: Mapping[str, Any]) -> Array:
    if at["approximate"] == "tanh":
        t = np.tanh(_ROOT * (x + 0.044715 * x**3))
        return np.asarray(0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _ROOT * (1 + 3 * 0.044715 * x * x))
    return np.asarray(special.ndtr(x) + x * _normal_density(x))


def _gelu2(x: Array, at: Mapping[str, Any]) -> Array:
    if at["approximate"] == "tanh":
        # u = √(2/π)(x + 0.044715 x³); y'' = (1-t²)(u' + ½ x (u'' - 2 t u'²))
        t = np.tanh(_ROOT * (x + 0.044715 * x**3))
        u1, u2 = _ROOT * (1 + 3 * 0.044715 * x * x), _ROOT * 6 * 0.044715 * x
        return np.asarray((1 - t * t) * (u1 + 0.5 * x * (u2 - 2 * t * u1 * u1)))
    return np.asarray(_normal_density(x) * (2 - x * x))


def _positive(x: Array, _: object) -> Array:
    return np.asarray(x > 0)


def _elu(name: str, scale: Function, rate: Function, attributes: Mapping[str, Any], slope: float = 1.0) -> Operation:
    """γ x for x > 0, else γ α (e^(x r) − 1): ELU, SELU and CELU, with γ = ``slope``, or gamma where there is one."""

    def gamma(at: Mapping[str, Any]) -> float:
        return float(at.get("gamma", slope))

    def falling(x: Array, at: Mapping[str, Any]) -> Array:
        return np.asarray(scale(x, at) * np.exp(np.minimum(x, 0) * rate(x, at)))

    return unary(
        name,
        lambda x, at: gamma(at) * np.where(x > 0, x, scale(x, at) * np.expm1(np.minimum(x, 0) * rate(x, at))),
        lambda x, at: gamma(at) * np.where(x > 0, 1, falling(x, at) * rate(x, at)).astype(x.dtype),
        lambda x, at: gamma(at) * np.where(x > 0, 0, falling(x, at) * rate(x, at) ** 2).astype(x.dtype),
        sides=_positive,
        attributes=attributes,
    )


def _attribute(name: str) -> Function:
    return lambda x, at: at[name]


def _pieces(x: Array, low: float, high: float) -> Array:
    return (x > low).astype(np.int8) + (x >= high).astype(np.int8)


def _hard_sigmoid1(x: Array, at: Mapping[str, Any]) -> Array:
    y = at["alpha"] * x + at["beta"]
    return np.where((y > 0) & (y < 1), at["alpha"], 0).astype(x.dtype)


def _hard_swish1(x: Array, _: object) -> Array:
    return np.where(x >= 3, 1, np.where(x <= -3, 0, x / 3 + 0.5)).astype(x.dtype)


def _scaler(x: Array, at: Mapping[str, Any]) -> Array:
    return np.asarray((x - np.asarray(at["offset"], x.dtype)) * np.asarray(at["scale"], x.dtype))


STANDARDISATION = replace(
    unary(
        "Scaler",
        _scaler,
        lambda x, at: np.broadcast_to(np.asarray(at["scale"], x.dtype), x.shape),
        None,
        attributes={"offset": (0.0,), "scale": (1.0,)},
        analytic=True,
    ),
    domain="ai.onnx.ml",
)
"""scikit-learn's StandardScaler, as its exporter writes it: (x − offset) · scale, both one number an input."""

ACTIVATIONS = (
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
    unary("Relu", lambda x, _: np.maximum(x, 0), lambda x, _: (x > 0).astype(x.dtype), None, sides=_positive),
    unary("Abs", lambda x, _: np.abs(x), lambda x, _: np.sign(x), None, sides=lambda x, _: np.sign(x)),
    unary(
        "LeakyRelu",
        lambda x, at: np.where(x > 0, x, at["alpha"] * x).astype(x.dtype),
        lambda x, at: np.where(x > 0, 1, at["alpha"]).astype(x.dtype),
        None,
        sides=_positive,
        attributes={"alpha": float(np.float32(0.01))},
    ),
    _elu("Elu", _attribute("alpha"), lambda x, at: np.ones((), x.dtype), {"alpha": 1.0}),
    _elu(
        "Selu",
        _attribute("alpha"),
        lambda x, at: np.ones((), x.dtype),
        {"alpha": float(np.float32(1.67326319217681884765625)), "gamma": float(np.float32(1.05070102214813232421875))},
    ),
    _elu("Celu", _attribute("alpha"), lambda x, at: np.asarray(1 / at["alpha"], x.dtype), {"alpha": 1.0}),
    unary(
        "Softsign",
        lambda x, _: x / (1 + np.abs(x)),
        lambda x, _: (1 + np.abs(x)) ** -2,
        lambda x, _: -2 * np.sign(x) * (1 + np.abs(x)) ** -3,
        sides=_positive,
    ),
    unary(
        "HardSigmoid",
        lambda x, at: np.clip(at["alpha"] * x + at["beta"], 0, 1),
        _hard_sigmoid1,
        None,
        sides=lambda x, at: _pieces(at["alpha"] * x + at["beta"], 0, 1),
        attributes={"alpha": float(np.float32(0.2)), "beta": 0.5},
    ),
    unary(
        "HardSwish",
        lambda x, _: x * np.clip(x / 6 + 0.5, 0, 1),
        _hard_swish1,
        lambda x, _: np.where(np.abs(x) < 3, 1 / 3, 0).astype(x.dtype),
        sides=lambda x, _: _pieces(x, -3, 3),
    ),
)
