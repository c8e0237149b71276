"""Which tiles make up a block of the Hessian, or the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jachess.backprop.places import Part
from jachess.backprop.tile import Tile
from jachess.network.layers import CONSTANT, Layer


def overlap(layers: Sequence[Layer]) -> bool:
    """Whether a weight is in several layers, so that several tiles add to its place."""
    places = np.concatenate([np.zeros(0, np.int64), *(layer.indices.ravel() for layer in layers)])
    places = places[places != CONSTANT]
    return len(np.unique(places)) != len(places)


def make_tiles(
    layers: Sequence[Layer], n_weights: int, rows: slice, columns: slice, dtype: np.dtype[Any]
) -> list[Tile]:
    """The tiles that make up the block H[rows, columns], as far as both weights enter layers."""
    down, across = _parts(layers, n_weights, rows), _parts(layers, n_weights, columns)
    tiles: list[Tile] = []
    for number, (first, first_across) in enumerate(zip(down, across, strict=True)):
        for behind in range(number, len(layers)):
            second, second_down = across[behind], down[behind]
            found: Tile | None = None
            if first and second:
                found = Tile(first, second, dtype)
                found.add_place(first, second, transposed=False)
                tiles.append(found)
            if behind == number or not (first_across and second_down):
                continue
            if found is None or not (first.covers(first_across) and second.covers(second_down)):
                found = Tile(first_across, second_down, dtype)
                tiles.append(found)
            found.add_place(first_across, second_down, transposed=True)
    return tiles


def whole_parts(layers: Sequence[Layer]) -> list[Part]:
    """All weights of each layer, at their places in the whole matrix."""
    return [Part(layer, layer.indices) for layer in layers]


def unit_tiles(parts: Sequence[Part], number: int, units: slice, dtype: np.dtype[Any]) -> list[Tile]:
    """The tiles of some units of one layer with the layers behind it, for the whole matrix, both triangles."""
    rows, tiles = parts[number].of(units), []
    for second in parts[number:]:
        same = second is parts[number]
        columns = second.of(slice(units.start, None)) if same else second
        tile = Tile(rows, columns, dtype)
        tile.add_place(rows, columns, transposed=False)
        if same:
            columns = second.of(slice(units.stop, None))  # among themselves they are both ways there
        if columns:
            tile.add_place(rows, columns, transposed=True)
        tiles.append(tile)
    return tiles


def _parts(layers: Sequence[Layer], n_weights: int, span: slice) -> list[Part]:
    """The weights of each layer that lie in a range of the weight vector."""
    places = np.full(n_weights, CONSTANT, np.int64)
    places[span] = np.arange(span.stop - span.start)
    return [Part(layer, np.where(layer.indices == CONSTANT, CONSTANT, places[layer.indices])) for layer in layers]
