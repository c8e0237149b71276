"""Trace, norms and largest elements of a stored symmetric matrix, each in one pass over its upper half."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.matrix import Tile, TiledMatrix, gather, grouped


@dataclass(frozen=True)
class PairNorms:
    """Norms of the blocks of each pair of weight tensors, (T, T) for T tensors.

    Attributes
    ----------
    tensors : tuple of str
    frobenius : array (T, T)
        The root of the sum of squares of each block.
    largest : array (T, T)
        The largest magnitude in each block.
    """

    tensors: tuple[str, ...]
    frobenius: Array
    largest: Array

    def total(self) -> float:
        """The Frobenius norm of the whole matrix."""
        return float(np.linalg.norm(self.frobenius))


def pair_norms(matrix: TiledMatrix) -> PairNorms:
    """Frobenius norm and largest magnitude of the block of each pair of weight tensors."""
    tensors = [(name, span) for name, span in matrix.tensors if span.stop > span.start]
    edges = np.array([span.start for _, span in tensors])
    squares, largest = np.zeros((2, len(tensors), len(tensors)))

    def part(tile: Tile, values: Array) -> tuple[tuple[int, int, Array], tuple[int, int, Array]]:
        magnitude = np.abs(values, dtype=np.float64)
        most = grouped(magnitude, tile, edges, np.maximum)
        return grouped(np.square(magnitude, out=magnitude), tile, edges, np.add), most

    for tile, (sums, most) in matrix.map_tiles(part):
        gather(squares, tile, sums, np.add)
        gather(largest, tile, most, np.maximum)
    return PairNorms(tuple(name for name, _ in tensors), np.sqrt(squares), largest)


def frobenius_norm(matrix: TiledMatrix) -> float:
    """The Frobenius norm, the root of Σ_ij H_ij²."""
    return pair_norms(matrix).total()


def diagonal(matrix: TiledMatrix) -> Array:
    """The diagonal (W,), in float64; only tiles on the diagonal are read."""
    matrix.require()
    return np.concatenate([np.diag(matrix.source.read((span, span))) for span in matrix.spans()]).astype(np.float64)


def trace(matrix: TiledMatrix) -> float:
    """The trace Σ_i H_ii, which is the sum of the eigenvalues."""
    return float(diagonal(matrix).sum())


@dataclass(frozen=True)
class Largest:
    """Elements of the largest magnitude, the largest first.

    Attributes
    ----------
    indices : int array (count, axes)
    values : array (count,)
    """

    indices: Array
    values: Array


def largest(matrix: TiledMatrix, count: int = 10) -> Largest:
    """The elements of the largest magnitude, on and above the diagonal."""
    found = best(count, 2)

    def part(tile: Tile, values: Array) -> Largest:
        magnitude = np.abs(values)
        if tile.diagonal:
            magnitude[np.tril_indices(len(values), -1)] = -1
        return largest_of(values, magnitude, count, tile.start)

    for _, some in matrix.map_tiles(part):
        found = joined(found, some, count)
    return found


def best(count: int, n_axes: int) -> Largest:
    """No elements yet.

    Raises
    ------
    InputError
        If none are wanted.
    """
    if count < 1:
        raise InputError(f"largest: how many elements? (wanted 1 or more; got {count}).")
    return Largest(np.zeros((0, n_axes), np.int64), np.zeros(0))


def largest_of(values: Array, magnitude: Array, count: int, start: tuple[int, ...]) -> Largest:
    """The largest elements of a part of an array that begins at ``start``; those of negative magnitude do not count."""
    count = min(count, values.size)
    chosen = np.argpartition(magnitude.ravel(), values.size - count)[values.size - count :]
    places = np.unravel_index(chosen[magnitude.ravel()[chosen] >= 0], values.shape)
    return Largest(np.stack(places, axis=1) + np.array(start), values[places].astype(np.float64))


def joined(a: Largest, b: Largest, count: int) -> Largest:
    """The largest of both; of equal ones those that come first in the array."""
    indices, values = np.concatenate([a.indices, b.indices]), np.concatenate([a.values, b.values])
    order = np.lexsort((*indices.T[::-1], -np.abs(values)))[:count]
    return Largest(indices[order], values[order])


def picture(matrix: TiledMatrix, pixels: int = 512) -> Array:
    """The matrix made smaller: each pixel is the largest magnitude of the elements that it stands for.

    Returns
    -------
    array (P, P), float64
        P = min(pixels, W).
    """
    edges = np.linspace(0, len(matrix), min(pixels, len(matrix)), endpoint=False).astype(np.int64)
    total = np.zeros((len(edges), len(edges)))
    for tile, found in matrix.map_tiles(lambda tile, values: grouped(np.abs(values), tile, edges, np.maximum)):
        gather(total, tile, found, np.maximum)
    return total
