"""The elements of the largest magnitude of stored arrays, without holding more than a piece of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.labelled import Part
from jachess.result.matrix import Tile, TiledMatrix
from jachess.result.streams import Passes

PIECE = 1 << 24
"""Bytes of a part that are read at a time."""


@dataclass(frozen=True)
class Largest:
    """Elements of the largest magnitude, the largest first.

    Attributes
    ----------
    indices : int array (count, axes)
        Their places in the array.
    values : array (count,), float64
    """

    indices: Array
    values: Array


def largest(matrix: TiledMatrix, count: int = 10) -> Largest:
    """The elements of the largest magnitude of a symmetric matrix, on and above the diagonal, in one pass."""
    found = _none(count, 2)

    def part(tile: Tile, values: Array) -> Largest:
        magnitude = np.abs(values)
        if tile.diagonal:
            magnitude[np.tril_indices(len(values), -1)] = -1
        some = _largest_of(values, magnitude, count)
        return Largest(some.indices + np.array(tile.start), some.values)

    for _, some in matrix.map_tiles(part):
        found = _joined(found, some, count)
    return found


def largest_of_part(part: Part, count: int = 10) -> Largest:
    """The elements of the largest magnitude of any part of an array, some of its rows at a time."""
    part.array.require()
    found = _none(count, len(part.shape))
    first, *rest = part.indices
    row = int(np.prod([len(each) for each in rest])) * max(8, part.array.dtype.itemsize)
    step = max(1, min(PIECE, part.array.memory // 4) // max(row, 1))
    passes = Passes(part.array.source.name, -(-len(first) // step))
    for start in range(0, len(first), step):
        rows = first[start : start + step]
        values = part.array.source.read((rows, *rest))
        some = _largest_of(values, np.abs(values), count)
        places = [which[i] for which, i in zip((rows, *rest), some.indices.T, strict=True)]
        found = _joined(found, Largest(np.stack(places, axis=1), some.values), count)
        passes.advance()
    passes.close()
    return found


def _none(count: int, n_axes: int) -> Largest:
    if count < 1:
        raise InputError(f"largest: how many elements? (wanted 1 or more; got {count}).")
    return Largest(np.zeros((0, n_axes), np.int64), np.zeros(0))


def _largest_of(values: Array, magnitude: Array, count: int) -> Largest:
    """The largest elements, by their magnitudes; those of negative magnitude do not count."""
    count = min(count, values.size)
    chosen = np.argpartition(magnitude.ravel(), values.size - count)[values.size - count :]
    places = np.unravel_index(chosen[magnitude.ravel()[chosen] >= 0], values.shape)
    return Largest(np.stack(places, axis=1), values[places].astype(np.float64))


def _joined(a: Largest, b: Largest, count: int) -> Largest:
    """The largest of both; of equal ones those that come first in the array."""
    indices, values = np.concatenate([a.indices, b.indices]), np.concatenate([a.values, b.values])
    order = np.lexsort((*indices.T[::-1], -np.abs(values)))[:count]
    return Largest(indices[order], values[order])
