"""Sums that two layers share, and the places in a block of the Hessian that they go to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jachess.backprop.pair_sums import PairSums
from jachess.backprop.places import Part, Rectangle, window
from jachess.network.graph import Array


@dataclass(frozen=True)
class Place:
    """Where the weights of the two layers lie in the block.

    Attributes
    ----------
    first, second : lists of Rectangle
        Rows and columns of the block; if `transposed`, columns and rows.
    """

    first: list[Rectangle]
    second: list[Rectangle]
    transposed: bool


class Tile(PairSums):
    """The part of a Hessian block that two layers share.

    Attributes
    ----------
    places : list of Place
    """

    def __init__(self, first: Part, second: Part, dtype: np.dtype[Any]) -> None:
        super().__init__(first, second, dtype)
        self.places: list[Place] = []

    def add_place(self, first: Part, second: Part, *, transposed: bool) -> None:
        """Let the sums of these weights, or of some of them, go to a place of the block, or to one more."""
        rows = first.rectangles(self.first_inputs, self.first_units)
        columns = second.rectangles(self.second_inputs, self.second_units)
        self.places.append(Place(rows, columns, transposed))

    def scatter(self, block: Array, *, add: bool) -> None:
        """Bring the finished sums to their places in the block, or add them to what is there."""
        targets = [
            (rows, columns, window(block.T if place.transposed else block, rows, columns))
            for place in self.places
            for rows in place.first
            for columns in place.second
        ]
        for units, outer, sums in self.finished():
            for rows, columns, target in targets:
                mine, there = _common(units, rows.units)
                outers, beyond = _common(outer, columns.units)
                part = sums[mine, outers, rows.inputs, columns.inputs].transpose(0, 2, 1, 3)
                if part.size:
                    place = target[there, :, beyond]
                    np.add(place, part, out=place) if add else np.copyto(place, part)


def _common(a: slice, b: slice) -> tuple[slice, slice]:
    """What two ranges have in common, counted from the start of each."""
    start = max(a.start, b.start)
    stop = max(start, min(a.stop, b.stop))
    return slice(start - a.start, stop - a.start), slice(start - b.start, stop - b.start)
