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


def _axes(call: Call) -> tuple[int, ...]:
    return tuple(call.attributes["axes"])


def _mean(call: Call, rows: Array) -> Array:
    return np.asarray(rows.sum(axis=_axes(call), keepdims=True) / _count(call))


def _mean_product(call: Call, a: Array, b: Array) -> Array:
    return np.asarray(contracted(a, b, _axes(call)) / _count(call))


def _count(call: Call) -> int:
    return math.prod(call.x.shape[axis] for axis in _axes(call))


def _centred(call: Call, rows: Array) -> Array:
    return rows - _mean(call, rows) if call.attributes["centred"] else rows


def _scale(call: Call) -> Array:
    def compute() -> Array:
        c = _centred(call, call.x)
        return np.asarray(1 / np.sqrt(_mean_product(call, c, c) + call.attributes["epsilon"]))

    return call.once("s", compute)


def _forward(call: Call) -> Arrays:
    return (np.asarray(_centred(call, call.x) * _scale(call)),)


def _projected(call: Call, rows: Array, along: Array) -> Array:
    """P v − z m(z v) for rows v, of which m(z v) is ``along``."""
    found = np.multiply(call.y, along, out=empty_like(rows, np.result_type(call.y, rows)))
    if call.attributes["centred"]:
        found += _mean(call, rows)
    return np.subtract(rows, found, out=found)


def _product(call: Call, rows: Array) -> Array:
    """The product s (P v − z m(z v)) for rows v."""
    found = _projected(call, rows, _mean_product(call, call.y, rows))
    return np.multiply(_scale(call), found, out=found)


def _curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
    # x̄ = s u(ȳ) with u(v) = P v − z m(z v) and ṡ = −s² m(z ẋ), ż = s u(ẋ), so its tangent is
    # −s m(z ẋ) x̄ − s² (u(ẋ) m(z ȳ) + z m(u(ẋ) ȳ))
    if dx[0] is None or dy[0] is None:
        return (None,)
    s, z, delta = _scale(call), call.y, dy[0]
    along = _mean_product(call, z, dx[0])
    change = _projected(call, dx[0], along)
    by_z = -s * s * _mean_product(call, delta, change)
    change *= -s * s * _mean_product(call, z, delta)
    term = np.multiply(z, by_z, out=empty_like(change, change.dtype))
    change += term
    change += np.multiply(_product(call, delta), -s * along, out=term)
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
