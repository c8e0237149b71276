"""Products of matrices with axes in front, whose results lie in memory as their operands do.

With the points last in memory, (…, points) beside each other, a sum over units or tokens is a product of matrices with
the points as one side, and a sum over points one with the points contracted.
"""

from __future__ import annotations

import math

import numpy as np

from jachess.network.graph import Array
from jachess.network.working_arrays import empty, memory_order


def matrix_product(a: Array, b: Array) -> Array:
    """A b for rows a (…, m, k) and b (k, n) or (…, k, n).

    Rows of a single matrix b are one product, and the result lies in memory as a does: with the points last if they
    are last there (see `jachess.backprop.propagation.points_last`), with the rows of a point together if they are.
    """
    if b.ndim != 2 or a.ndim < 2:
        return product_of_batches(a, b) if min(a.ndim, b.ndim) > 1 else np.asarray(a @ b)
    if a.flags.c_contiguous:
        return _rows_times(a, b)
    order = [*memory_order(a[..., 0]), a.ndim - 1]
    moved, back = a.transpose(order), np.argsort(order)
    if moved.strides[-2] == a.itemsize and a.shape[-1] > 1:
        lying = empty((*moved.shape[:-2], b.shape[1], moved.shape[-2]), np.result_type(a, b)).swapaxes(-1, -2)
        return np.matmul(moved, b, out=lying).transpose(back)
    return _rows_times(moved, b).transpose(back)


def _rows_times(a: Array, b: Array) -> Array:
    """A b as one product of all rows with the matrix b."""
    dtype = a.dtype if a.dtype == b.dtype else np.result_type(a, b)
    product = empty((*a.shape[:-1], b.shape[1]), dtype)
    if a.ndim == 2:
        return np.matmul(a, b, out=product)
    rows = math.prod(a.shape[:-1])
    np.matmul(a.reshape(rows, a.shape[-1]), b, out=product.reshape(rows, b.shape[1]))
    return product


def product_of_batches(a: Array, b: Array) -> Array:
    """A b for a (…, m, k) and b (…, k, n), whose axes in front broadcast.

    Where one of these lies last in memory, as that of points may, it does so in the result, and is a side of the
    products if one of the operands is the same along it.
    """
    ndim = max(a.ndim, b.ndim)
    a, b = (each.reshape((1,) * (ndim - each.ndim) + each.shape) for each in (a, b))
    last = _last_axis(a) if _last_axis(a) is not None else _last_axis(b)
    if last is None:
        return np.asarray(a @ b)
    inner_a, inner_b = np.moveaxis(a, last, -1), np.moveaxis(b, last, -1)  # (…, m, k, points), (…, k, n, points)
    lead = np.broadcast_shapes(inner_a.shape[:-3], inner_b.shape[:-3])
    sizes = a.shape[-2], b.shape[-1], max(a.shape[last], b.shape[last])
    found = empty((*lead, *sizes), np.result_type(a, b))
    if b.shape[last] == 1:
        np.matmul(inner_b[..., 0].swapaxes(-1, -2)[..., None, :, :], inner_a, out=found)
    elif a.shape[last] == 1:
        by_column = inner_b.swapaxes(-3, -2)  # (…, n, k, points)
        np.matmul(inner_a[..., 0][..., None, :, :], by_column, out=found.swapaxes(-3, -2))
    else:
        np.einsum("...mkp,...knp->...mnp", inner_a, inner_b, out=found)
    return np.moveaxis(found, -1, last)


def _last_axis(a: Array) -> int | None:
    """Which axis in front of a matrix's two lies last in memory, counted from the end, if one does."""
    axis = memory_order(a)[-1] - a.ndim
    return axis if axis < -2 and a.shape[axis] > 1 and a.strides[axis] == a.itemsize else None


def summed_product(a: Array, b: Array, n_summed: int) -> Array:
    """Σ aᵀ b over ``n_summed`` axes in front of the last, for a (…, *summed, m) and b (…, *summed, n): (…, m, n)."""
    ndim = max(a.ndim, b.ndim)
    a, b = (each.reshape((1,) * (ndim - each.ndim) + each.shape) for each in (a, b))
    lead = ndim - n_summed - 1
    summed = np.broadcast_shapes(a.shape[lead:-1], b.shape[lead:-1])
    a, b = (np.broadcast_to(each, (*each.shape[:lead], *summed, each.shape[-1])) for each in (a, b))
    axes = [axis for axis in memory_order(b) if lead <= axis < ndim - 1]
    a, b = (each.transpose(*range(lead), *axes, ndim - 1) for each in (a, b))
    if b.strides[-2] == b.itemsize and b.shape[-1] > 1:  # the other axes' products are added up
        product = np.matmul(a.swapaxes(-1, -2), b)
        return np.asarray(product.sum(axis=tuple(range(lead, ndim - 2))))
    a, b = (each.reshape(*each.shape[:lead], math.prod(summed), each.shape[-1]) for each in (a, b))
    return np.asarray(a.swapaxes(-1, -2) @ b)
