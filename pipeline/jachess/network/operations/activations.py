"""Activation functions with kinks, and the standardisation of inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.elementwise import Function, unary
from jachess.network.operations.record import Operation


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


SCALER = replace(
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
    unary("Relu", lambda x, _: np.maximum(x, 0), lambda x, _: (x > 0).astype(x.dtype), None, sides=_positive),
    unary(
        "ThresholdedRelu",
        lambda x, at: np.where(x > at["alpha"], x, 0).astype(x.dtype),
        lambda x, at: (x > at["alpha"]).astype(x.dtype),
        None,
        sides=lambda x, at: x > at["alpha"],
        attributes={"alpha": 1.0},
    ),
    unary(
        "Shrink",
        lambda x, at: np.where(np.abs(x) > at["lambd"], x - np.sign(x) * at["bias"], 0).astype(x.dtype),
        lambda x, at: (np.abs(x) > at["lambd"]).astype(x.dtype),
        None,
        sides=lambda x, at: np.sign(x) * (np.abs(x) > at["lambd"]),
        attributes={"bias": 0.0, "lambd": 0.5},
    ),
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
