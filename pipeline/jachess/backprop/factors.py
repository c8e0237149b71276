"""Factors of a Jacobian by the chain rule, and their products for all points of a chunk.

    identity      None
    constant      Constant: one matrix (R, M) for all points, as a linear operation has it
    elementwise   Elementwise: derivatives (n, M), the diagonal of each point's matrix
    scaled        Scaled: a constant one times an elementwise one, not multiplied out yet
    dense         array (n, R, M), the rows of each point together in memory

So the recursion (8.30) over a dense layer is one multiplication by h' in place and one product of matrices
(n · R, M) (M, I), whatever the number of points. Between two small matrices A and B even the multiplication falls away:
Σ_m A_rm h'_m B_mc is one product of h' (n, M) with the matrix (M, R · C) of all A_rm B_mc.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from jachess.network.graph import Array
from jachess.network.working_arrays import empty

JOINED = 1 << 16
"""Elements of the products of two matrices' elements, at most: they have to stay in cache."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A matrix (R, M) that is the same for all points; equal to itself only."""

    matrix: Array

    @cached_property
    def picked(self) -> tuple[Array, Array] | None:
        """Of a matrix with one number a column at most, as a mean over parts has it: in which rows, and the numbers."""
        rows = (self.matrix != 0).argmax(axis=0)
        numbers = self.matrix[rows, np.arange(len(rows))]
        return (rows, numbers) if np.count_nonzero(self.matrix) == np.count_nonzero(numbers) else None


@dataclass(frozen=True)
class Elementwise:
    """Derivatives (n, M) of each element of a value with respect to the element at its place."""

    derivatives: Array


@dataclass(frozen=True)
class Scaled:
    """A matrix whose columns, or ``rows``, are multiplied by each point's derivatives: A h' or h' A."""

    constant: Constant
    derivatives: Array
    rows: bool

    def times(self, derivatives: Array) -> Scaled:
        """The same times another diagonal on the side of this one's."""
        return Scaled(self.constant, self.derivatives * derivatives, self.rows)

    def dense(self) -> Array:
        """Multiplied out, (n, R, M), in memory of its own."""
        matrix, scale = self.constant.matrix, self.derivatives
        target = empty((len(scale), *matrix.shape), scale.dtype)
        return np.multiply(matrix, scale[:, :, None] if self.rows else scale[:, None, :], out=target)


Factor = Constant | Elementwise | Scaled | Array | None


def product(left: Factor, right: Factor, out: Array | None = None) -> Factor:
    """The product of two factors.

    Parameters
    ----------
    left, right : Factor
        Dense ones are given up: their memory may hold the product.
    out : array (n, R, C), optional
        Where a dense product is to be written if it is one of matrices; C-contiguous.
    """
    if left is None or right is None:
        return right if left is None else left
    if isinstance(left, Elementwise):
        return _scaled_rows(left.derivatives, right)
    if isinstance(right, Elementwise):
        return _scaled_columns(left, right.derivatives)
    if isinstance(left, Constant) and isinstance(right, Constant):
        return Constant(left.matrix @ right.matrix)
    joined = _between(left, right, out)
    if joined is not None:
        return joined
    if isinstance(right, Constant) and right.picked is not None:
        return _picked(_multiplied(left), *right.picked, out)
    return _product_of_matrices(_multiplied(left), _multiplied(right), out)


def spelled(factor: Factor, n_points: int, width: int, dtype: np.dtype[np.floating]) -> Array:
    """The factor as a dense array (n, R, M), not to be written to."""
    if factor is None:
        return np.broadcast_to(np.eye(width, dtype=dtype), (n_points, width, width))
    if isinstance(factor, Constant):
        return np.broadcast_to(factor.matrix, (n_points, *factor.matrix.shape))
    if isinstance(factor, Elementwise):
        dense = np.zeros((n_points, width, width), factor.derivatives.dtype)
        np.einsum("nii->ni", dense)[...] = factor.derivatives
        return dense
    return factor.dense() if isinstance(factor, Scaled) else factor


def _multiplied(factor: Constant | Scaled | Array) -> Array:
    """The factor as a matrix (R, M) for all points, or one for each."""
    if isinstance(factor, Constant):
        return factor.matrix
    return factor.dense() if isinstance(factor, Scaled) else factor


def _picked(left: Array, rows: Array, numbers: Array, out: Array | None) -> Array:
    target = room(out, left.shape[0], left.shape[1], len(rows), left.dtype)
    return np.multiply(np.take(left, rows, axis=2, out=target, mode="clip"), numbers, out=target)


def _product_of_matrices(left: Array, right: Array, out: Array | None) -> Array:
    if right.ndim == 2:
        target = room(out, left.shape[0], left.shape[1], right.shape[1], left.dtype)
        np.matmul(left.reshape(-1, left.shape[2]), right, out=target.reshape(-1, target.shape[2]))
        return target
    return np.matmul(left, right, out=room(out, len(right), left.shape[-2], right.shape[2], right.dtype))


def _scaled_rows(scale: Array, right: Constant | Elementwise | Scaled | Array) -> Factor:
    if isinstance(right, Elementwise):
        return Elementwise(scale * right.derivatives)
    if isinstance(right, Constant):
        return Scaled(right, scale, rows=True)
    if isinstance(right, Scaled):
        if right.rows:
            return right.times(scale)
        right = right.dense()
    return np.multiply(scale[:, :, None], right, out=right)


def _scaled_columns(left: Constant | Scaled | Array, scale: Array) -> Factor:
    if isinstance(left, Constant):
        return Scaled(left, scale, rows=False)
    if isinstance(left, Scaled):
        if not left.rows:
            return left.times(scale)
        left = left.dense()
    return np.multiply(left, scale[:, None, :], out=left)


def _between(left: Factor, right: Factor, out: Array | None) -> Array | None:
    """The product of a diagonal between two small matrices; None if the factors are none."""
    if isinstance(left, Scaled) and not left.rows and isinstance(right, Constant):
        scale, first, second = left.derivatives, left.constant, right
    elif isinstance(right, Scaled) and right.rows and isinstance(left, Constant):
        scale, first, second = right.derivatives, left, right.constant
    else:
        return None
    (rows, width), columns = first.matrix.shape, second.matrix.shape[1]
    if rows * width * columns > JOINED:
        return None
    target = room(out, len(scale), rows, columns, scale.dtype)
    np.matmul(scale, _joined(first, second), out=target.reshape(len(scale), -1))
    return target


@lru_cache(maxsize=8)
def _joined(first: Constant, second: Constant) -> Array:
    """All A_rm B_mc, as (M, R · C)."""
    products = first.matrix.T[:, :, None] * second.matrix[:, None, :]
    return products.reshape(len(products), -1)


def room(out: Array | None, n_points: int, rows: int, columns: int, dtype: np.dtype[np.floating]) -> Array:
    """Where a dense product goes: ``out``, if it is of this type, or a working array."""
    if out is not None and out.dtype == dtype and out.shape == (n_points, rows, columns):
        return out
    return empty((n_points, rows, columns), dtype)
