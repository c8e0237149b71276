"""Standardisation along axes, what layer, instance, group and RMS normalisation have in common.

z = c s with c = x − μ (or c = x, where means are left) and s = (mean c² + ε)^(−1/2). Its matrix of derivatives,

    ∂z/∂x = s (P − z zᵀ/M),   P the projection that takes the mean away,

is symmetric, so that one function is tangent and cotangent.
"""

from __future__ import annotations

import math

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.axes import contracted
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted
from jachess.network.working_arrays import empty_like


def _mean(call: Call, rows: Array) -> Array:
    return np.asarray(rows.mean(axis=tuple(call.attributes["axes"]), keepdims=True))


def _mean_product(call: Call, a: Array, b: Array) -> Array:
    axes = tuple(call.attributes["axes"])
    return np.asarray(contracted(a, b, axes) / math.prod(call.y.shape[axis] for axis in axes))


def _centred(call: Call, rows: Array) -> Array:
    return rows - _mean(call, rows) if call.attributes["centred"] else rows


def _scale(call: Call) -> Array:
    def compute() -> Array:
        c = _centred(call, call.x)
        return np.asarray(1 / np.sqrt(_mean(call, c * c) + call.attributes["epsilon"]))

    return call.once("s", compute)


def _forward(call: Call) -> Arrays:
    return (np.asarray(_centred(call, call.x) * _scale(call)),)


def _product(call: Call, rows: Array) -> Array:
    """The product s (P v − z mean(z v)) for rows v."""
    found = np.multiply(call.y, _mean_product(call, call.y, rows), out=empty_like(rows, np.result_type(call.y, rows)))
    np.subtract(_centred(call, rows), found, out=found)
    return np.multiply(_scale(call), found, out=found)


def _curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
    # x̄ = s (P ȳ − z m(z ȳ)) with ṡ = −s² m(z ẋ), so its tangent is (ṡ/s) x̄ − s (ż m(z ȳ) + z m(ż ȳ))
    if dx[0] is None or dy[0] is None:
        return (None,)
    s, z, change = _scale(call), call.y, _product(call, dx[0])
    slowing = -s * _mean_product(call, z, dx[0])
    along = z * _mean_product(call, dy[0], change)
    change *= _mean_product(call, z, dy[0])
    change += along
    change *= -s
    change += slowing * _product(call, dy[0])
    return (change,)


STANDARDISATION = Operation(
    "Standardisation",
    (1, 1),
    _forward,
    lambda call, dx: (None if dx[0] is None else _product(call, dx[0]),),
    lambda call, dy, wanted: (None if dy[0] is None else _product(call, dy[0]),),
    _curvature,
    attributes={"axes": (-1,), "centred": 1, "epsilon": 0.0},
    analytic=True,
    domain="jachess",
)
