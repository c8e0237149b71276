"""The whole Hessian in one array, on all cores: pieces of its tiles in threads, or pieces of the points."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from jachess.backprop.parallel import map_all, n_cores
from jachess.backprop.perturbations import perturbations, repeatable
from jachess.backprop.places import mirror
from jachess.backprop.positions import fill_positions
from jachess.backprop.propagation import Points
from jachess.backprop.tile import Tile
from jachess.backprop.tile_sums import accumulate
from jachess.backprop.tiling import overlap, unit_tiles, whole_parts
from jachess.backprop.unit_products import fill_products
from jachess.network.graph import Array
from jachess.network.head import Head
from jachess.network.layers import Layer
from jachess.network.positions import all_layers, in_order

SUMS = 1 << 23
"""Elements of the sums of one piece."""
COLLECTED = 1 << 26
"""Bytes of responses and tangents that are collected for one matrix product: all units of most pieces."""
FEW = 8
"""Chunks whose sums add up in the network's own type."""
SMALL = 1 << 21
"""Elements of a Hessian of which each thread may hold one of its own."""

Piece = tuple[int, slice]
"""Number of a layer, and some of its units."""


def whole_hessian(head: Head, chunks: Sequence[tuple[Points, Array]]) -> Array:
    """H (W, W), symmetric to the last bit, in the floating type of the network's weights."""
    layers, positioned, others = all_layers(head.network)
    n_weights = head.network.n_weights
    # where each weight is in one layer, every element is written once, by the thread that has it in its cache
    allocate = np.empty if sum(layer.n_weights for layer in layers) == n_weights and not overlap(layers) else np.zeros
    whole = allocate((n_weights, n_weights), head.network.w.dtype)
    if n_weights**2 <= SMALL and len(chunks) >= 2 * n_cores():
        _share_points(head, layers, chunks, whole)
    else:
        _share_pieces(head, layers, chunks, whole)
    if overlap(layers):  # where several tiles add to one place, they did so in another order across the diagonal
        mirror(whole)
    if positioned:
        fill_positions(head, chunks, in_order(layers, positioned), whole)
    fill_products(head, lambda: chunks, others, whole)
    return whole


def _share_points(head: Head, layers: Sequence[Layer], chunks: Sequence[tuple[Points, Array]], whole: Array) -> None:
    """Each thread takes some of the points, and all units."""
    add = overlap(layers)
    parts = whole_parts(layers)
    pieces = [(number, slice(0, layer.indices.shape[1])) for number, layer in enumerate(layers)]

    def part(start: int) -> Array:
        mine = np.zeros(whole.shape)
        tiles = [tile for piece in pieces for tile in unit_tiles(parts, *piece, mine.dtype)]
        accumulate(tiles, perturbations(head, lambda: chunks[start :: n_cores()]), COLLECTED)
        for tile in tiles:
            tile.scatter(mine, add=add)
        return mine

    whole[:] = sum(map_all(part, range(n_cores())))


def _share_pieces(head: Head, layers: Sequence[Layer], chunks: Sequence[tuple[Points, Array]], whole: Array) -> None:
    """Each thread takes some of the units, and all points."""
    # float32 sums over many chunks would lose digits
    sums = np.dtype(np.float64) if len(chunks) > FEW else whole.dtype
    all_points, in_order, parts = repeatable(head, chunks), overlap(layers), whole_parts(layers)

    def summed(piece: Piece) -> list[Tile]:
        tiles = unit_tiles(parts, *piece, sums)
        accumulate(tiles, all_points(), COLLECTED)
        if in_order:
            return tiles
        for tile in tiles:
            tile.scatter(whole, add=False)
        return []

    for tiles in map_all(summed, _pieces(layers)):  # in their order, so that sums are the same each time
        for tile in tiles:
            tile.scatter(whole, add=True)


def _pieces(layers: Sequence[Layer]) -> list[Piece]:
    """Units of each layer in pieces of about the same work, one for each core or more, the largest first.

    Few and large pieces do the least twice; none may have larger sums than allowed.
    """
    costs = [_costs(layers, number) for number in range(len(layers))]
    total, found = sum(float(cost.sum()) for cost in costs), []
    for number, cost in enumerate(costs):
        n_pieces = max(round(n_cores() * float(cost.sum()) / (0.5 * total)), int(cost.sum() // SUMS), 1)
        ends = np.cumsum(cost)
        edges = np.unique(np.searchsorted(ends, np.linspace(0, ends[-1], min(n_pieces, len(cost)) + 1)[1:-1]) + 1)
        for start, stop in pairwise([0, *edges.tolist(), len(cost)]):
            if start < stop:
                found.append((float(cost[start:stop].sum()), (number, slice(start, stop))))
    return [piece for _, piece in sorted(found, key=lambda entry: -entry[0])]


def _costs(layers: Sequence[Layer], number: int) -> Array:
    """Elements of the sums that belong to each unit of a layer: a quarter of those within the layer are computed."""
    n_inputs, n_units = layers[number].indices.shape
    behind = sum(layer.indices.size for layer in layers[number + 1 :])
    return np.asarray(n_inputs * behind + (n_inputs * (n_inputs + 1) / 2) * np.arange(n_units, 0, -1))
