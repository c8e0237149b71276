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
    return bool((np.bincount(places[places != CONSTANT]) > 1).any())


def make_tiles(
    layers: Sequence[Layer], n_weights: int, rows: slice, columns: slice, dtype: np.dtype[Any], *, upper: bool = False
) -> list[Tile]:
    """The tiles that make up the block H[rows, columns], as far as both weights enter layers.

    Where a border cuts a unit, or a layer whose biases lie behind all of its weights, units are in the block with some
    of their inputs: each tile has units with the same ones.

    Of a strip, whose columns begin with its rows, those that are wholly below the diagonal may be left out (``upper``).
    """
    down, across = parts_of(layers, n_weights, rows), parts_of(layers, n_weights, columns)
    tiles: list[Tile] = []
    for number, first in enumerate(down):
        for behind in range(number, len(layers)):
            made = [
                (part, second, Tile(part, second, dtype))
                for part in first.alike()
                for second in (_split(across[behind], part) if behind == number else across[behind].alike())
            ]
            for part, second, tile in made:
                tile.add_place(part, second, transposed=False)
            tiles += [tile for *_, tile in made]
            if behind > number:
                tiles += [
                    _transposed(part, second, made, dtype)
                    for part in across[number].alike()
                    for second in down[behind].alike()
                    if not (upper and part.before(second))
                ]
    return list({id(tile): tile for tile in tiles}.values())


def _split(columns: Part, rows: Part) -> list[Part]:
    """Columns of the same layer before the rows' first unit, and from there on: those begin with the rows."""
    start = int(rows.units[0])
    behind = columns.of(slice(start, None))
    return [*columns.of(slice(0, start)).alike(), *([behind] if behind else [])]


def _transposed(first: Part, second: Part, made: list[tuple[Part, Part, Tile]], dtype: np.dtype[Any]) -> Tile:
    """A tile whose sums go to the other side of the diagonal: one that is made already if it has them."""
    for part, other, tile in made:
        if part.covers(first) and other.covers(second):
            tile.add_place(first, second, transposed=True)
            return tile
    tile = Tile(first, second, dtype)
    tile.add_place(first, second, transposed=True)
    return tile


def parts_of(layers: Sequence[Layer], n_weights: int, span: slice) -> list[Part]:
    """The weights of each layer that lie in a range of the weight vector."""
    places = np.full(n_weights, CONSTANT, np.int64)
    places[span] = np.arange(span.stop - span.start)
    return [Part(layer, np.where(layer.indices == CONSTANT, CONSTANT, places[layer.indices])) for layer in layers]


def whole_parts(layers: Sequence[Layer]) -> list[Part]:
    """All weights of each layer, at their places in the whole matrix."""
    return [Part(layer, layer.indices) for layer in layers]


def unit_tiles(parts: Sequence[Part], number: int, units: slice, dtype: np.dtype[Any]) -> list[Tile]:
    """The tiles of some units of one layer with the layers behind it, for the whole matrix, both triangles."""
    rows, tiles = parts[number].of(units), []
    for second in parts[number:] if rows else ():  # units may be fed by constants alone
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
