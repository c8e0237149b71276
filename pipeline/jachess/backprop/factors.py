"""Factors of a Jacobian by the chain rule, and their products for all points of a chunk.

    identity      None
    constant      Constant: one matrix (R, M) for all points, as a linear operation has it
    elementwise   Elementwise: derivatives (n, M), the diagonal of each point's matrix
    dense         array (n, R, M), the rows of each point together in memory

So the recursion (8.30) over a dense layer is one multiplication by h' in place and one product of matrices
(n · R, M) (M, I), whatever the number of points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jachess.network.graph import Array
from jachess.network.working_arrays import empty


@dataclass(frozen=True)
class Constant:
    """A matrix (R, M) that is the same for all points."""

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


Factor = Constant | Elementwise | Array | None


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
        return _scaled_rows(left.derivatives, right, out)
    if isinstance(right, Elementwise):
        return _scaled_columns(left, right.derivatives)
    if isinstance(right, Constant):
        if isinstance(left, Constant):
            return Constant(left.matrix @ right.matrix)
        target = room(out, left.shape[0], left.shape[1], right.matrix.shape[1], left.dtype)
        if right.picked is not None:
            rows, numbers = right.picked
            return np.multiply(np.take(left, rows, axis=2, out=target, mode="clip"), numbers, out=target)
        np.matmul(left.reshape(-1, left.shape[2]), right.matrix, out=target.reshape(-1, target.shape[2]))
        return target
    matrices = left.matrix if isinstance(left, Constant) else left
    target = room(out, len(right), matrices.shape[-2], right.shape[2], right.dtype)
    return np.matmul(matrices, right, out=target)


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
    return factor


def _scaled_rows(scale: Array, right: Constant | Elementwise | Array, out: Array | None) -> Factor:
    if isinstance(right, Elementwise):
        return Elementwise(scale * right.derivatives)
    if isinstance(right, Constant):
        rows, columns = right.matrix.shape
        target = room(out, len(scale), rows, columns, scale.dtype)
        return np.multiply(scale[:, :, None], right.matrix, out=target)
    return np.multiply(scale[:, :, None], right, out=right)


def _scaled_columns(left: Constant | Array, scale: Array) -> Factor:
    if isinstance(left, Constant):
        target = empty((len(scale), *left.matrix.shape), scale.dtype)
        return np.multiply(left.matrix, scale[:, None, :], out=target)
    return np.multiply(left, scale[:, None, :], out=left)


def room(out: Array | None, n_points: int, rows: int, columns: int, dtype: np.dtype[np.floating]) -> Array:
    """Where a dense product goes: ``out``, if it is of this type, or a working array."""
    if out is not None and out.dtype == dtype and out.shape == (n_points, rows, columns):
        return out
    return empty((n_points, rows, columns), dtype)
