"""Which tiles make up a block of the Hessian, or the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jachess.backprop.tile import Tile
from jachess.network.layers import CONSTANT, Indices, Layer


def overlap(layers: Sequence[Layer]) -> bool:
    """Whether a weight is in several layers, so that several tiles add to its place."""
    places = np.concatenate([np.zeros(0, np.int64), *(layer.indices.ravel() for layer in layers)])
    places = places[places != CONSTANT]
    return len(np.unique(places)) != len(places)


def make_tiles(
    layers: Sequence[Layer], n_weights: int, rows: slice, columns: slice, dtype: np.dtype[Any]
) -> list[Tile]:
    """The tiles that make up the block H[rows, columns], as far as both weights enter layers."""
    row_of, column_of = _places(n_weights, rows), _places(n_weights, columns)
    tiles: list[Tile] = []
    for number, first in enumerate(layers):
        for second in layers[number:]:
            found: Tile | None = None
            a, b = _look_up(row_of, first.indices), _look_up(column_of, second.indices)
            if (a != CONSTANT).any() and (b != CONSTANT).any():
                found = Tile(first, second, a, b, dtype)
                found.add_place(a, b, transposed=False)
                tiles.append(found)
            if first is second:
                continue
            a, b = _look_up(column_of, first.indices), _look_up(row_of, second.indices)
            if (a == CONSTANT).all() or (b == CONSTANT).all():
                continue
            if found is None or not found.covers(a, b):
                found = Tile(first, second, a, b, dtype)
                tiles.append(found)
            found.add_place(a, b, transposed=True)
    return tiles


def unit_tiles(layers: Sequence[Layer], number: int, units: slice, dtype: np.dtype[Any]) -> list[Tile]:
    """The tiles of some units of one layer with the layers behind it, for the whole matrix, both triangles."""
    first, tiles = layers[number], []
    rows = _only(first.indices, units)
    for second in layers[number:]:
        columns = second.indices
        if second is first:
            columns = _only(columns, slice(units.start, columns.shape[1]))
        tile = Tile(first, second, rows, columns, dtype)
        tile.add_place(rows, columns, transposed=False)
        if second is first:
            columns = _only(columns, slice(units.stop, columns.shape[1]))  # among themselves they are both ways there
        if (columns != CONSTANT).any():
            tile.add_place(rows, columns, transposed=True)
        tiles.append(tile)
    return tiles


def _only(indices: Indices, units: slice) -> Indices:
    chosen = np.full_like(indices, CONSTANT)
    chosen[:, units] = indices[:, units]
    return chosen


def _places(n_weights: int, span: slice) -> Indices:
    places = np.full(n_weights, CONSTANT, np.int64)
    places[span] = np.arange(span.stop - span.start)
    return places


def _look_up(places: Indices, indices: Indices) -> Indices:
    return np.where(indices == CONSTANT, CONSTANT, places[indices])
