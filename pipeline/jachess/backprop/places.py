"""Where the weights of two layers lie in a block of the Hessian, as a few regular rectangles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import as_strided

from jachess.network.graph import Array
from jachess.network.layers import CONSTANT, Indices, Layer

MIRRORED = 256
"""Rows that are brought to the other side of the diagonal together."""


@dataclass(frozen=True)
class Rectangle:
    """Weights from a range of inputs i into a range of units j, at places start + j · unit_step + i · input_step."""

    units: slice
    inputs: slice
    start: int
    unit_step: int
    input_step: int

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of units and inputs."""
        return self.units.stop - self.units.start, self.inputs.stop - self.inputs.start


@dataclass(frozen=True, eq=False)
class Part:
    """The weights of a layer that have a place in a block.

    Attributes
    ----------
    layer : Layer
    places : int array (I, J)
        Place of each of the layer's weights among the rows, or columns, of the block; CONSTANT where it has none.
    """

    layer: Layer
    places: Indices

    def __bool__(self) -> bool:
        return len(self.units) > 0

    @cached_property
    def inputs(self) -> Indices:
        """Inputs with any weight that has a place."""
        return np.flatnonzero((self.places != CONSTANT).any(axis=1))

    @cached_property
    def units(self) -> Indices:
        """Units with any weight that has a place."""
        return np.flatnonzero((self.places != CONSTANT).any(axis=0))

    @property
    def n_weights(self) -> int:
        """Weights that have a place."""
        return int((self.places != CONSTANT).sum())

    @cached_property
    def _rectangles(self) -> list[Rectangle]:
        return rectangles(self.places[np.ix_(self.inputs, self.units)])

    def rectangles(self, inputs: Indices, units: Indices) -> list[Rectangle]:
        """The places of these inputs and units, which are counted as they are listed here."""
        if np.array_equal(inputs, self.inputs) and np.array_equal(units, self.units):
            return self._rectangles
        return rectangles(self.places[np.ix_(inputs, units)])

    def covers(self, other: Part) -> bool:
        """Whether it has all inputs and units that the other has."""
        return bool(np.isin(other.inputs, self.inputs).all() and np.isin(other.units, self.units).all())

    def before(self, other: Part) -> bool:
        """Whether all of its weights have places before those of the other."""
        return bool(self.places.max() < other.places[other.places != CONSTANT].min())

    def alike(self) -> list[Part]:
        """The part cut into units that have places for the same inputs: a strip's border may cut a unit in two."""
        valid = self.places != CONSTANT
        change = np.flatnonzero((valid[:, 1:] != valid[:, :-1]).any(axis=0)) + 1
        cut = [self.of(slice(start, stop)) for start, stop in pairwise([0, *change.tolist(), valid.shape[1]])]
        return [part for part in cut if part]

    def of(self, units: slice) -> Part:
        """Some units only."""
        places = np.full_like(self.places, CONSTANT)
        places[:, units] = self.places[:, units]
        return Part(self.layer, places)


def rectangles(places: Indices) -> list[Rectangle]:
    """Cut an array of places (I, J), with CONSTANT where there is none, into regular rectangles.

    A dense layer is one for each of its weight tensors, and up to two more where a strip's border cuts a unit.
    """
    found: list[Rectangle] = []
    valid = places != CONSTANT
    change = np.diff(places, axis=1)
    alike = (valid[:, 1:] == valid[:, :-1]).all(axis=0)  # unit j + 1 has weights from the same inputs as unit j
    steady = ((change[:, 1:] == change[:, :-1]) | ~valid[:, 2:]).all(axis=0)  # and is as far behind as j from j - 1
    j = 0
    while j < places.shape[1]:
        rows, end = np.flatnonzero(valid[:, j]), j + 1
        while end < places.shape[1] and alike[end - 1] and (end == j + 1 or steady[end - 2]):
            end += 1
        step = change[rows, j] if end > j + 1 else np.zeros(len(rows), np.int64)
        for first, last in _regular_runs(rows, places[rows, j], step):
            across = int(places[rows[first + 1], j] - places[rows[first], j]) if last - first > 1 else 0
            inputs = slice(int(rows[first]), int(rows[last - 1]) + 1)
            found.append(Rectangle(slice(j, end), inputs, int(places[rows[first], j]), int(step[first]), across))
        j = end
    return found


def _regular_runs(rows: Indices, starts: Indices, step: Indices) -> list[tuple[int, int]]:
    """Ranges of neighbouring inputs whose places are evenly spaced and move alike from unit to unit."""
    apart = np.flatnonzero((np.diff(rows) != 1) | (np.diff(step) != 0)) + 1
    found = []
    for first, last in pairwise([0, *apart.tolist(), len(rows)]):
        edge = first
        while edge < last:
            uneven = np.flatnonzero(np.diff(starts[edge:last], n=2)).tolist() if last - edge > 2 else []
            end = edge + int(uneven[0]) + 2 if len(uneven) else last
            found.append((edge, end))
            edge = end
    return found


def window(block: Array, rows: Rectangle, columns: Rectangle) -> Array:
    """The elements of a block at these rows and columns, as a view (units, inputs, units, inputs)."""
    down, across = block.strides
    steps = (rows.unit_step * down, rows.input_step * down, columns.unit_step * across, columns.input_step * across)
    return as_strided(block[rows.start :, columns.start :], (*rows.shape, *columns.shape), steps)


def chosen(array: Array, indices: Indices, axis: int = 0) -> Array:
    """The chosen elements of an axis: a view if they are neighbours."""
    if len(indices) and indices[-1] - indices[0] == len(indices) - 1:
        return array[(slice(None),) * axis + (slice(int(indices[0]), int(indices[-1]) + 1),)]
    return np.take(array, indices, axis=axis)


def mirror(block: Array) -> None:
    """Make a square block symmetric in place: what is above the diagonal goes below it."""
    for start in range(0, len(block), MIRRORED):
        rows = slice(start, start + MIRRORED)
        corner = block[rows, rows]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T
        block[rows.stop :, rows] = block[rows, rows.stop :].T
