"""Axes of tangents and cotangents: a value's own axes are counted from the end, the rows' axes lie in front."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.working_arrays import empty_like

LARGEST = 2**27
"""Elements that one value may have; a small file can ask for any number of them."""


def bounded(shape: Iterable[int]) -> tuple[int, ...]:
    """The shape, if a value may have it.

    Raises
    ------
    NetworkError
        If it has more than `LARGEST` elements. Nothing has been allocated.
    """
    sizes = tuple(int(size) for size in shape)
    if math.prod(sizes) > LARGEST:
        raise NetworkError(f"a value is too large (wanted at most {LARGEST} elements; got shape {sizes})")
    return sizes


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that values of these shapes broadcast to, checked for its size."""
    return bounded(np.broadcast_shapes(*shapes))


def align(rows: Array, ndim: int, result_ndim: int) -> Array:
    """Rows (lead, *shape) of a value with ``ndim`` axes, ready to broadcast with one of ``result_ndim`` axes."""
    lead = rows.ndim - ndim
    return rows.reshape(rows.shape[:lead] + (1,) * (result_ndim - ndim) + rows.shape[lead:])


def unbroadcast(rows: Array, result_ndim: int, shape: tuple[int, ...]) -> Array:
    """Cotangents (lead, *result) summed over the axes along which a value of ``shape`` was repeated."""
    lead = rows.ndim - result_ndim
    extra = result_ndim - len(shape)
    own = rows.shape[lead + extra :]
    repeated = tuple(range(lead, lead + extra)) + tuple(
        lead + extra + axis for axis, size in enumerate(shape) if size == 1 and own[axis] != 1
    )
    summed = rows.sum(axis=repeated, keepdims=True) if repeated else rows
    return np.asarray(summed.reshape(rows.shape[:lead] + shape))


def contracted(a: Array, b: Array, axes: tuple[int, ...]) -> Array:
    """Σ a b over some of the last axes, which are kept as 1, for values or rows of one value."""
    ndim = min(a.ndim, b.ndim)
    own = list(range(ndim))
    left = [axis for axis in own if axis - ndim not in axes]
    total = np.einsum(a, [..., *own], b, [..., *own], [..., *left])
    return np.expand_dims(total, axes)


def times(derivative: Array | float, rows: Array) -> Array:
    """Derivative · rows, which is 0 where the rows are 0 even if the derivative is infinite there.

    So what a Where has not chosen, √x at x < 0, say, takes no part in any derivative. A derivative of 1 gives the rows
    themselves.
    """
    if isinstance(derivative, float) and derivative == 1:
        return rows
    with np.errstate(all="ignore"):
        product = np.multiply(derivative, rows, out=_room(derivative, rows))
        total = np.sum(derivative)
    if np.isfinite(total) or np.isfinite(derivative).all():  # one finite sum tells it sooner
        return product
    return np.where(rows == 0, 0, product).astype(product.dtype)


def _room(derivative: Array | float, rows: Array) -> Array | None:
    """Where their product goes, if the rows have its shape."""
    if not isinstance(derivative, np.ndarray) or derivative.ndim > rows.ndim:
        return None
    if any(mine not in (1, theirs) for mine, theirs in zip(derivative.shape[::-1], rows.shape[::-1], strict=False)):
        return None
    return empty_like(rows, np.result_type(derivative, rows))


def from_end(axis: int, ndim: int) -> int:
    """The axis counted from the end, as a negative number."""
    if not -ndim <= axis < max(ndim, 1):
        raise NetworkError(f"axis {axis} does not exist (wanted one of {ndim})")
    return axis if axis < 0 else axis - ndim


def is_float(array: Array | None) -> bool:
    """Whether a value is of floating numbers, so that it can have a derivative."""
    return array is not None and array.dtype.kind in "fc"
