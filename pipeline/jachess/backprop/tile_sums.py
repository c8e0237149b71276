"""Tiles summed over points: units are perturbed in groups, and many groups' responses go into one matrix product."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from jachess.backprop.perturbations import PERTURBED, Perturbations
from jachess.backprop.tile import Tile
from jachess.network.layers import Indices

COLLECTED = 1 << 25
"""Bytes of a strip's responses and tangents that are collected for one matrix product."""
SUMS = 1 << 26
"""Elements of the sums of responses that are held at once, unless one unit has more: for the units of each group all
points are prepared again, and all products of pairs formed, so few and large groups cost the least."""


def groups_of_units(tiles: Sequence[Tile]) -> Iterator[list[Tile]]:
    """Begin the sums of some units after those of others, so that no more than `SUMS` are held at once.

    Yields
    ------
    list of Tile
        Those that have sums to be made and brought to their places before the next are asked for.
    """
    for group in _cut(tiles):
        yield [tile for tile in tiles if tile.begin(group[id(tile.first)])]


def _cut(tiles: Sequence[Tile]) -> Iterator[defaultdict[int, list[int]]]:
    """The units of each group, by the layer they are in."""
    costs: dict[int, Counter[int]] = defaultdict(Counter)
    for tile in tiles:
        costs[id(tile.first)].update(dict(zip(tile.first_units.tolist(), tile.n_sums.tolist(), strict=True)))
    group, held = defaultdict[int, list[int]](list), 0
    for layer, of_units in costs.items():
        for unit, n_sums in sorted(of_units.items()):
            if group and held + n_sums > SUMS:
                yield group
                group, held = defaultdict(list), 0
            group[layer].append(unit)
            held += n_sums
    if group:
        yield group


def accumulate(tiles: Sequence[Tile], all_points: Iterable[Perturbations], collected: int) -> None:
    """Sum the tiles over chunks of points; so many bytes are collected for one matrix product."""
    for number, points in enumerate(all_points):
        for layer in {id(tile.first): tile.first for tile in tiles}.values():
            _add(points, [tile for tile in tiles if tile.first is layer], collected, first=number == 0)


def _add(points: Perturbations, tiles: Sequence[Tile], most: int, *, first: bool) -> None:
    """Perturb the units of the layer that these tiles share, and add what comes of it to the tiles."""
    wanted = np.unique(np.concatenate([tile.units for tile in tiles]))
    targets = {tile.second.pre_activation for tile in tiles}
    room = points.state.n_points * points.head.network.w.itemsize
    together = max(1, most // (room * sum(tile.n_factors for tile in tiles)))
    group = max(1, PERTURBED // points.state.n_elements)
    for collected in _evenly(wanted, together):
        for units in _evenly(collected, group):
            tangents, responses = points.perturb(tiles[0].first, units, targets)
            for tile in tiles:
                tile.collect(units, points.error(tile.second), tangents, responses.get(tile.second.pre_activation))
        for tile in tiles:
            tile.contract(points.fed(tile.first), points.fed(tile.second), points.error(tile.second), first=first)


def _evenly(units: Indices, most: int) -> list[Indices]:
    """Units in runs of at most so many, all about as long: what a run costs for itself is not paid for a few units."""
    return np.array_split(units, -(-len(units) // most)) if len(units) else []
