"""How far simpler matrices are from a stored one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.matrix import Tile, TiledMatrix, gather, grouped


@dataclass(frozen=True)
class Distance:
    """How far an approximation is from the exact matrix, in the Frobenius norm.

    Attributes
    ----------
    absolute : float
        ‖H − A‖.
    relative : float
        ‖H − A‖ / ‖H‖.
    """

    absolute: float
    relative: float


def distances(matrix: TiledMatrix, others: Mapping[str, TiledMatrix] | None = None) -> dict[str, Distance]:
    """Distances of the diagonal, of the blocks of single tensors, and of other matrices from the exact matrix.

    Parameters
    ----------
    matrix : TiledMatrix
    others : mapping of name to TiledMatrix, optional
        Further approximations of the same size, such as the outer-product form.

    Returns
    -------
    dict of name to Distance
        ``diagonal``, ``block-diagonal`` (blocks of one weight tensor each), and the names of the others.

    Raises
    ------
    InputError
        If another matrix is of another size.
    """
    given = dict(others or {})
    for name, other in given.items():
        if other.shape != matrix.shape:
            raise InputError(f"{name}: of another size (wanted {matrix.shape}; got {other.shape}).")
        other.require()
    edges = np.array([span.start for _, span in matrix.tensors if span.stop > span.start])
    squares, off_diagonal, apart = np.zeros((len(edges), len(edges))), 0.0, dict.fromkeys(given, 0.0)

    def part(tile: Tile, values: Array) -> tuple[tuple[int, int, Array], float, dict[str, float]]:
        exact = values.astype(np.float64)
        differences = {
            name: float(((exact - other.source.read((tile.rows, tile.columns))) ** 2).sum())
            for name, other in given.items()
        }
        np.square(exact, out=exact)
        sums, whole = grouped(exact, tile, edges, np.add), exact
        if tile.diagonal:
            np.fill_diagonal(whole, 0)
        return sums, float(whole.sum()), differences

    for tile, (sums, rest, differences) in matrix.map_tiles(part):
        times = 1 if tile.diagonal else 2
        gather(squares, tile, sums, np.add)
        off_diagonal += times * rest
        for name, difference in differences.items():
            apart[name] += times * difference
    across = squares[~np.eye(len(edges), dtype=bool)].sum()
    found = {"diagonal": off_diagonal, "block-diagonal": float(across), **apart}
    norm = float(np.sqrt(squares.sum()))
    return {name: Distance(square**0.5, square**0.5 / norm if norm else 0.0) for name, square in found.items()}
