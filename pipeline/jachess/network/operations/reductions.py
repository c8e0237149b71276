"""Reductions over axes: sums, means, norms and extremes. Of tied extremes the first counts, in row-major order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.axes import from_end
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted
from jachess.network.working_arrays import empty_rows


@dataclass(frozen=True)
class _Axes:
    """The axes that a call reduces, counted from the end; ``kept`` is the output's shape with them kept as 1."""

    axes: tuple[int, ...]
    kept: tuple[int, ...]

    @classmethod
    def of(cls, call: Call) -> _Axes:
        given = call.inputs[1] if len(call.inputs) > 1 else None
        axes = call.attributes["axes"] if given is None else given.ravel().tolist()
        shape = call.x.shape
        if axes is None or len(axes) == 0:
            axes = () if call.attributes["noop_with_empty_axes"] else range(len(shape))
        chosen = tuple(sorted({from_end(int(axis), len(shape)) for axis in axes}))
        kept = tuple(1 if i - len(shape) in chosen else size for i, size in enumerate(shape))
        return cls(chosen, kept)

    @property
    def count(self) -> Callable[[Array], int]:
        return lambda x: math.prod(x.shape[axis] for axis in self.axes)

    def spread(self, rows: Array, ndim: int) -> Array:
        """Rows of the output, ready to broadcast against the input."""
        return rows.reshape(rows.shape[: rows.ndim - ndim] + self.kept)

    def sum(self, rows: Array, like: Array) -> Array:
        """Rows of the input summed to rows of the output."""
        ndim = len(self.kept)
        total = rows.sum(axis=self.axes, keepdims=True) if self.axes else rows
        return np.asarray(total.reshape(total.shape[: total.ndim - ndim] + like.shape))


def _reduction(
    name: str,
    f: Callable[[Array, tuple[int, ...]], Array],
    first: Callable[[Array, Array, _Axes], Array | float],
    second: Callable[[Call, _Axes, Array, Array], Array] | None = None,
    *,
    sides: Callable[[Call, _Axes], Array] | None = None,
    linear: bool = False,
    analytic: bool = False,
) -> Operation:
    """The record of y = f(x) along axes.

    ``first(x, y, axes)`` is ∂y/∂x_i, with y spread over the input; ``second(call, axes, ẋ, ȳ)`` is the curvature, with
    ȳ spread over the input.
    """

    def forward(call: Call) -> Arrays:
        axes = _Axes.of(call)
        y = f(call.x, axes.axes) if axes.axes else f(call.x[..., None], (-1,))
        return (np.asarray(y).reshape(axes.kept if call.attributes["keepdims"] else _dropped(axes)),)

    def slope(call: Call, axes: _Axes) -> Array | float:
        return first(call.x, axes.spread(call.y, call.y.ndim), axes)

    def tangent(call: Call, dx: Maybe) -> Maybe:
        axes = _Axes.of(call)
        return (None if dx[0] is None else axes.sum(slope(call, axes) * dx[0], call.y),)

    def cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
        axes, rest = _Axes.of(call), (None,) * (len(call.inputs) - 1)
        if dy[0] is None:
            return (None, *rest)
        spread = axes.spread(dy[0], call.y.ndim)
        lead = spread.shape[: spread.ndim - call.x.ndim]
        found = empty_rows(lead, call.x, np.result_type(spread, call.x))
        return (np.multiply(slope(call, axes), spread, out=found), *rest)

    def curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
        assert second is not None
        axes, rest = _Axes.of(call), (None,) * (len(call.inputs) - 1)
        if dx[0] is None or dy[0] is None:
            return (None, *rest)
        return (second(call, axes, dx[0], axes.spread(dy[0], call.y.ndim)), *rest)

    return Operation(
        name,
        (1, 2),
        forward,
        tangent,
        cotangent,
        curvature if second is not None else None,
        sides=None if sides is None else lambda call: sides(call, _Axes.of(call)),
        attributes={"axes": None, "keepdims": 1, "noop_with_empty_axes": 0},
        static=(1,),
        linear=linear,
        analytic=analytic,
    )


def _dropped(axes: _Axes) -> tuple[int, ...]:
    return tuple(size for i, size in enumerate(axes.kept) if i - len(axes.kept) not in axes.axes)


def _norm(x: Array, axes: tuple[int, ...]) -> Array:
    # scaled by the largest entry, so that neither squares nor their sum overflow or vanish
    largest = np.abs(x).max(axis=axes, keepdims=True, initial=0)
    scale = np.where(largest > 0, largest, 1)
    total = np.sqrt(((x / scale) ** 2).sum(axis=axes, keepdims=True)) * scale
    return np.asarray(np.squeeze(total, axis=axes))


def _norm_curvature(call: Call, axes: _Axes, dx: Array, dy: Array) -> Array:
    # ∂(x_i/y) = ẋ_i/y − x_i ẏ/y², ẏ = Σ x ẋ / y
    y = axes.spread(call.y, call.y.ndim)
    change = (call.x * dx).sum(axis=axes.axes, keepdims=True) / y
    return np.asarray(dy * (dx / y - call.x * change / (y * y)))


def _log_sum(x: Array, axes: tuple[int, ...]) -> Array:
    # less the largest, so that nothing overflows
    largest = x.max(axis=axes, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, 0)
    total = np.log(np.exp(x - shift).sum(axis=axes, keepdims=True)) + shift
    return np.asarray(np.squeeze(total, axis=axes))


def _log_sum_curvature(call: Call, axes: _Axes, dx: Array, dy: Array) -> Array:
    # ∂(e^(x_i − y)) = e^(x_i − y) (ẋ_i − ẏ), ẏ = Σ e^(x − y) ẋ
    share = np.exp(call.x - axes.spread(call.y, call.y.ndim))
    return np.asarray(dy * share * (dx - (share * dx).sum(axis=axes.axes, keepdims=True)))


def _first_where(x: Array, y: Array, axes: _Axes) -> Array:
    """1 at the first element along the axes that equals the extreme, else 0."""
    equal = x == y
    order = [i for i in range(-x.ndim, 0) if i not in axes.axes] + list(axes.axes)
    moved = equal.transpose([i + x.ndim for i in order])
    n_kept = x.ndim - len(axes.axes)
    flat = moved.reshape((*moved.shape[:n_kept], -1))
    first = np.zeros(flat.shape, x.dtype)
    np.put_along_axis(first, flat.argmax(axis=-1)[..., None], 1, axis=-1)
    return first.reshape(moved.shape).transpose(np.argsort([i + x.ndim for i in order]))


def _extreme_sides(call: Call, axes: _Axes) -> Array:
    return _first_where(call.x, axes.spread(call.y, call.y.ndim), axes).astype(bool)


REDUCTIONS = (
    _reduction("ReduceSum", lambda x, a: x.sum(axis=a, dtype=x.dtype), lambda x, y, a: 1.0, linear=True, analytic=True),
    _reduction("ReduceMean", lambda x, a: x.mean(axis=a), lambda x, y, a: 1.0 / a.count(x), linear=True, analytic=True),
    _reduction(
        "ReduceL1",
        lambda x, a: np.abs(x).sum(axis=a),
        lambda x, y, a: np.sign(x),
        sides=lambda call, a: np.sign(call.x),
    ),
    _reduction("ReduceLogSumExp", _log_sum, lambda x, y, a: np.exp(x - y), _log_sum_curvature),
    _reduction("ReduceL2", _norm, lambda x, y, a: x / y, _norm_curvature),
    _reduction(
        "ReduceSumSquare",
        lambda x, a: (x * x).sum(axis=a),
        lambda x, y, a: 2 * x,
        lambda call, a, dx, dy: np.asarray(2 * dy * dx),
        analytic=True,
    ),
    _reduction("ReduceMax", lambda x, a: x.max(axis=a), _first_where, sides=_extreme_sides),
    _reduction("ReduceMin", lambda x, a: x.min(axis=a), _first_where, sides=_extreme_sides),
)
