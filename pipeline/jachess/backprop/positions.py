"""Rows and columns of the Hessian that belong to weights at many positions, as far as both weights are in layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from jachess.backprop.parallel import map_all
from jachess.backprop.perturbations import perturbations, repeatable
from jachess.backprop.places import Part, mirror, window
from jachess.backprop.position_sums import n_positions_of, position_sums
from jachess.backprop.propagation import Chunks, Points
from jachess.backprop.r_operator import pieces
from jachess.backprop.tiling import overlap, parts_of, whole_parts
from jachess.network.graph import Array
from jachess.network.head import Head
from jachess.network.layers import CONSTANT, Indices, Layer
from jachess.network.positions import PositionedLayer, place_in_order, sharing

SUMS = 1 << 21
"""Elements of the sums that are held at once, as far as those of one unit allow."""
ACROSS = 128
"""Columns of sums that are brought to their places at once."""
LEAST = 4
"""Parts that a layer's units come in, at least: of the pairs of units within one, both orders are computed."""


def dearer(positioned: Sequence[PositionedLayer], n_weights: int, rows: slice) -> list[PositionedLayer]:
    """Layers of whose weights there are fewer among the rows than their units have positions to be perturbed.

    Those that share weights are judged together.
    """
    found: list[PositionedLayer] = []
    for group in sharing(positioned):
        parts = [part for part in parts_of(group, n_weights, rows) if part]
        passes = sum(len(part.units) * n_positions_of(part.layer) for part in parts)
        places = [part.places[part.places != CONSTANT] for part in parts]
        if parts and passes >= len(np.unique(np.concatenate(places))):
            found += group
    return found


def insert_positions(
    head: Head,
    chunks: Chunks,
    layers: Sequence[Layer],
    rows: slice,
    columns: slice,
    block: Array,
    but_rows: Sequence[Layer],
) -> None:
    """Add to a block what pairs of layers contribute, at least one of each a `PositionedLayer`.

    Parameters
    ----------
    layers : sequence of Layer
        In topological order.
    but_rows : sequence of Layer
        Those whose rows are not wanted.
    """
    down, across = (parts_of(layers, head.network.n_weights, span) for span in (rows, columns))
    down = [part for part in down if part.layer not in but_rows]
    some_points = partial(pieces, head.network, chunks)
    for layer in layers:
        for firsts, seconds, target in ((down, across, block), (across, down, block.T)):
            first = next((part for part in firsts if part.layer is layer), None)
            partners = _partners(layer, seconds, itself=firsts is down)
            for some in first.alike() if first and partners else ():
                for units in _groups(some, partners):
                    found = position_sums(perturbations(head, some_points), some, units, partners)
                    for second, sums in zip(partners, found, strict=True):
                        _put(target, sums, some, units, second, second.units)


def fill_positions(head: Head, chunks: Sequence[tuple[Points, Array]], layers: Sequence[Layer], whole: Array) -> None:
    """Add such pairs' contributions to the whole matrix, on all cores; symmetric to the last bit."""
    all_parts, add = whole_parts(layers), overlap(layers)
    all_points = repeatable(head, list(pieces(head.network, lambda: chunks)))

    def summed(item: tuple[Part, list[Part]]) -> list[Array]:
        first, seconds = item
        found = position_sums(all_points(), first, first.units, seconds)
        if add:
            return found
        place(item, found)
        return []

    def place(item: tuple[Part, list[Part]], found: list[Array]) -> None:
        first, seconds = item
        for second, sums in zip(seconds, found, strict=False):
            _put(whole, sums, first, first.units, second, second.units, add=add)
            behind = len(first.units) if second.layer is first.layer else 0  # among themselves they are both ways there
            _put(whole.T, sums[:, :, behind:], first, first.units, second, second.units[behind:], add=add)

    items = list(_items(all_parts))
    for item, found in zip(items, map_all(summed, items), strict=True):
        place(item, found)
    for layer in layers:
        if isinstance(layer, PositionedLayer):
            for number, weight in enumerate(layer.weights):
                mirror(whole[weight.slice, weight.slice])
                for other in layer.weights[:number]:
                    whole[weight.slice, other.slice] = whole[other.slice, weight.slice].T


def _items(all_parts: Sequence[Part]) -> Iterator[tuple[Part, list[Part]]]:
    """Some units of each layer, and its partners; of its own units only those from there on."""
    for part in all_parts:
        partners = _partners(part.layer, all_parts, itself=True)
        for units in _groups(part, partners, LEAST) if partners else ():
            behind = slice(int(units[0]), None)
            yield (
                part.of(slice(int(units[0]), int(units[-1]) + 1)),
                [other.of(behind) if other is part else other for other in partners],
            )


def _partners(layer: Layer, others: Sequence[Part], *, itself: bool) -> list[Part]:
    """Those behind a layer, and the layer itself if asked, if there are positions in one of the two."""
    return [
        part
        for part in others
        if part
        and (place_in_order(part.layer) > place_in_order(layer) or (itself and part.layer is layer))
        and (isinstance(layer, PositionedLayer) or isinstance(part.layer, PositionedLayer))
    ]


def _groups(first: Part, seconds: Sequence[Part], least: int = 1) -> list[Indices]:
    """The units of a layer in groups whose sums can be held."""
    each = len(first.inputs) * sum(len(second.units) * len(second.inputs) for second in seconds)
    step = max(1, min(SUMS // each, -(-len(first.units) // least)))
    return [first.units[start : start + step] for start in range(0, len(first.units), step)]


def _put(
    block: Array, sums: Array, first: Part, units: Indices, second: Part, others: Indices, *, add: bool = True
) -> None:
    """Bring sums (J, I, K, P) to the places that their weights have in a block, or add them to what is there.

    Some units k at a time, so that either triangle's rows are read and written in cache.
    """
    for rows in first.rectangles(first.inputs, units):
        for columns in second.rectangles(second.inputs, others):
            place, part = window(block, rows, columns), sums[rows.units, rows.inputs, columns.units, columns.inputs]
            step = max(1, ACROSS // part.shape[3])
            for start in range(0, part.shape[2], step):
                some = (slice(None), slice(None), slice(start, start + step))
                np.add(place[some], part[some], out=place[some]) if add else np.copyto(place[some], part[some])
