"""Trace, norms and picture of a stored symmetric matrix, each in one pass over its upper half."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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


def picture(matrix: TiledMatrix, pixels: int = 512) -> Array:
    """The matrix made smaller: each pixel is the largest magnitude of the elements that it stands for.

    Returns
    -------
    array (P, P), float64
        P = min(pixels, W).
    """
    edges = np.linspace(0, len(matrix), min(pixels, len(matrix)), endpoint=False).astype(np.int64)
    return block_maxima(matrix, edges)


def block_maxima(matrix: TiledMatrix, edges: Array) -> Array:
    """The largest magnitudes (G, G) between G groups of weights, of which ``edges`` says where each begins."""
    total = np.zeros((len(edges), len(edges)))
    for tile, found in matrix.map_tiles(lambda tile, values: grouped(np.abs(values), tile, edges, np.maximum)):
        gather(total, tile, found, np.maximum)
    return total
