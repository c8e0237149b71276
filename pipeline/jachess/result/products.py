"""Products of a stored symmetric matrix with vectors, and SciPy's linear operator of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from jachess.backprop.parallel import on_all_cores
from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.matrix import Kept, Tile, TiledMatrix
from jachess.result.streams import Passes


class StoredOperator(LinearOperator):
    """A stored symmetric matrix as SciPy's algorithms want it: each product is one pass over its upper half.

    Tiles stay in memory from pass to pass as far as there is room, so that a matrix that fits is read once.

    Parameters
    ----------
    matrix : TiledMatrix
    held : int
        Bytes that the algorithm itself needs.
    name : str
        What the passes are for, in progress lines.

    Attributes
    ----------
    n_products : int
        Products so far, each with a vector or a block of them.
    fits : bool
        Whether all tiles fit the memory, so that further passes read nothing.
    """

    def __init__(self, matrix: TiledMatrix, held: int = 0, name: str = "products") -> None:
        super().__init__(np.dtype(np.float64), matrix.shape)  # type: ignore[call-arg]
        self.matrix, self.n_products = matrix, 0
        self._kept = Kept(matrix.room(held, name))
        n_tiles = len(matrix.spans()) * (len(matrix.spans()) + 1) // 2
        self.fits = self._kept.room >= n_tiles * matrix.edge**2 * matrix.dtype.itemsize
        self.passes = Passes(name, n_tiles, n_passes=0)

    def release(self) -> None:
        """Give up the tiles that are kept, before something else needs the memory."""
        self._kept = Kept(self._kept.room + self._kept.held)

    def _matmat(self, vectors: Array) -> Array:
        self.n_products += 1
        return products(self.matrix, np.asarray(vectors, np.float64), self._kept, self.passes)

    def _matvec(self, vector: Array) -> Array:
        return self._matmat(vector.reshape(-1, 1)).reshape(vector.shape)

    def _adjoint(self) -> StoredOperator:
        return self


@on_all_cores
def products(matrix: TiledMatrix, vectors: Array, kept: Kept | None = None, passes: Passes | None = None) -> Array:
    """H v for each column v of ``vectors`` (W, R), in float64, by one pass over the upper half of the matrix."""
    total = np.zeros_like(vectors)

    def part(tile: Tile, stored: Array) -> tuple[Array, Array | None]:
        values = stored.astype(np.float64, copy=False)
        below = None if tile.diagonal else values.T @ vectors[tile.rows]
        return values @ vectors[tile.columns], below

    for tile, (across, below) in matrix.map_tiles(part, kept=kept, passes=passes):
        total[tile.rows] += across
        if below is not None:
            total[tile.columns] += below
    return total


def linear_operator(matrix: TiledMatrix) -> StoredOperator:
    """The stored matrix as scipy.sparse.linalg.LinearOperator (W, W): products are streamed from the store."""
    return StoredOperator(matrix)


def product(matrix: TiledMatrix, vectors: Any) -> Array:
    """H v for a vector (W,), or for each column of an array (W, R), by one pass over the store.

    Returns
    -------
    array of the shape of ``vectors``, float64

    Raises
    ------
    InputError
        If the vectors do not fit the matrix or the memory.
    """
    given = np.asarray(vectors, np.float64)
    if given.ndim not in (1, 2) or given.shape[0] != len(matrix):
        raise InputError(f"v: wrong shape (wanted ({len(matrix)},) or ({len(matrix)}, R); got {given.shape}).")
    matrix.room(2 * given.nbytes, "a product")
    return products(matrix, given.reshape(len(matrix), -1)).reshape(given.shape)
