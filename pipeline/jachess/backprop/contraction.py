"""Sums over points of three factors, Σ_n f(n) z_i(n) y_c(n), as products of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np

from jachess.network.graph import Array
from jachess.network.working_arrays import empty

PAIRS = 1 << 23
"""Bytes (pairs × points) of the products z_i y_c that are held at once: enough columns for a fast matrix product."""


class Contraction:
    """S[f, (i, c)] = Σ_n f(n) z_i(n) y_c(n), summed over chunks of points.

    The matrix product contracts the axis of points, so factors and products of pairs lie with the points last.

    Parameters
    ----------
    n_left, n_right : int
        Numbers of left values z_i and right values y_c.
    packed : bool
        The left values are the first of the right ones: only pairs with c ≥ i are computed.

    Attributes
    ----------
    sums : array (n_factors, pairs)
    added : bool
        Whether there are any.
    """

    def __init__(self, n_left: int, n_right: int, dtype: np.dtype[Any], *, packed: bool = False) -> None:
        self.n_left, self.n_right, self.packed = n_left, n_right, packed
        widths = [n_right - i if packed else n_right for i in range(n_left)]
        self._starts = [0, *accumulate(widths)]
        self._room = np.empty(0, dtype)
        self.begin(0)

    def begin(self, n_factors: int) -> None:
        """Give up what has been summed; the next sums are those of so many factors, in the same memory."""
        self._n_factors, self.added = n_factors, False
        self._room.resize(min(self._room.size, n_factors * self.n_pairs), refcheck=False)  # what is too much goes back

    @property
    def n_pairs(self) -> int:
        """Columns of the sums."""
        return self._starts[-1]

    @property
    def sums(self) -> Array:
        """Their memory is taken when they are first asked for."""
        wanted = self._n_factors * self.n_pairs
        if self._room.size < wanted:
            dtype, self._room = self._room.dtype, np.empty(0)  # the old one goes first
            self._room = np.empty(wanted, dtype)
        return self._room[:wanted].reshape(self._n_factors, self.n_pairs)

    def add(self, rows: slice, factors: Array, left: Array, right: Array, *, first: bool) -> None:
        """Add the sum over n points for some factors.

        Parameters
        ----------
        rows : slice
            Which factors.
        factors, left, right : arrays (rows, n), (n_left, n), (n_right, n)
        first : bool
            Nothing has been added for these factors so far.
        """
        self.added = True
        for columns, pairs in self._pairs(left, right):
            target = self.sums[rows, columns]
            if first and target.dtype == factors.dtype:
                np.matmul(factors, pairs.T, out=target)
            else:
                product = empty(target.shape, factors.dtype)
                np.matmul(factors, pairs.T, out=product)
                np.add(0 if first else target, product, out=target)

    def _pairs(self, left: Array, right: Array) -> Iterator[tuple[slice, Array]]:
        """Products z_i y_c, a cache full at a time, and their places among the pairs."""
        n_points = left.shape[1]
        room = max(1, PAIRS // (n_points * left.itemsize))
        buffer = empty((min(max(room, self.n_right), self._starts[-1]), n_points), left.dtype)
        i = 0
        while i < self.n_left:
            start, end = self._starts[i], i + 1
            while end < self.n_left and self._starts[end + 1] - start <= len(buffer):
                end += 1
            pairs = buffer[: self._starts[end] - start]
            if self.packed:
                for each in range(i, end):
                    part = slice(self._starts[each] - start, self._starts[each + 1] - start)
                    np.multiply(left[each], right[each:], out=pairs[part])
            else:
                np.multiply(left[i:end, None], right, out=pairs.reshape(end - i, self.n_right, n_points))
            yield slice(start, self._starts[end]), pairs
            i = end

    def all_pairs(self) -> Array:
        """For each left and right value the place of their pair, (n_left, n_right)."""
        return pair_places(self.n_left, self.n_right, packed=self.packed)


def pair_places(n_left: int, n_right: int, *, packed: bool) -> Array:
    """Places of pairs (a, b) in a list of all, or, packed, of those with b ≥ a; then (b, a) is where (a, b) is."""
    a, b = np.arange(n_left)[:, None], np.arange(n_right)[None, :]
    if not packed:
        return a * n_right + b
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.asarray(low * n_right - low * (low - 1) // 2 + high - low)
