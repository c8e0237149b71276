"""Tiles summed over points: units are perturbed in groups, and many groups' responses go into one matrix product."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from jachess.backprop.perturbations import PERTURBED, Perturbations
from jachess.backprop.tile import Tile

COLLECTED = 1 << 22
"""Elements of the responses and tangents that are collected for one matrix product."""


def accumulate(tiles: Sequence[Tile], all_points: Iterable[Perturbations]) -> None:
    """Sum the tiles over chunks of points."""
    for number, points in enumerate(all_points):
        for layer in {id(tile.first): tile.first for tile in tiles}.values():
            _add(points, [tile for tile in tiles if tile.first is layer], first=number == 0)


def _add(points: Perturbations, tiles: Sequence[Tile], *, first: bool) -> None:
    """Perturb the units of the layer that these tiles share, and add what comes of it to the tiles."""
    wanted = np.unique(np.concatenate([tile.first_units for tile in tiles]))
    targets = {tile.second.pre_activation for tile in tiles}
    together = max(1, COLLECTED // (points.state.n_points * sum(tile.n_factors for tile in tiles)))
    group = max(1, PERTURBED // points.state.n_elements)
    for start in range(0, len(wanted), together):
        collected = wanted[start : start + together]
        for place in range(0, len(collected), group):
            units = collected[place : place + group]
            tangents, responses = points.perturb(tiles[0].first, units, targets)
            for tile in tiles:
                tile.collect(units, points.error(tile.second), tangents, responses.get(tile.second.pre_activation))
        for tile in tiles:
            tile.contract(points.fed(tile.first), points.fed(tile.second), points.error(tile.second), first=first)
