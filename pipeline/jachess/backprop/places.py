"""Where the weights of two layers lie in a block of the Hessian, as a few regular rectangles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from jachess.network.graph import Array
from jachess.network.layers import CONSTANT, Indices


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


def rectangles(places: Indices) -> list[Rectangle]:
    """Cut an array of places (I, J), with CONSTANT where there is none, into regular rectangles.

    A dense layer is one for each of its weight tensors, and up to two more where a strip's border cuts a unit.
    """
    found: list[Rectangle] = []
    valid, j = places != CONSTANT, 0
    while j < places.shape[1]:
        rows, end = np.flatnonzero(valid[:, j]), j + 1
        step = np.zeros(len(rows), np.int64)
        while end < places.shape[1] and len(rows) and (valid[:, end] == valid[:, j]).all():
            change = places[rows, end] - places[rows, end - 1]
            if end == j + 1:
                step = change
            elif (change != step).any():
                break
            end += 1
        for first, last in _regular_runs(rows, places[rows, j], step):
            across = int(places[rows[first + 1], j] - places[rows[first], j]) if last - first > 1 else 0
            inputs = slice(int(rows[first]), int(rows[last - 1]) + 1)
            found.append(Rectangle(slice(j, end), inputs, int(places[rows[first], j]), int(step[first]), across))
        j = end
    return found


def _regular_runs(rows: Indices, starts: Indices, step: Indices) -> Iterator[tuple[int, int]]:
    """Ranges of neighbouring inputs whose places are evenly spaced and move alike from unit to unit."""
    first = 0
    for i in range(1, len(rows) + 1):
        alike = i < len(rows) and rows[i] == rows[i - 1] + 1 and step[i] == step[i - 1]
        if alike and (i - first < 2 or starts[i] - starts[i - 1] == starts[i - 1] - starts[i - 2]):
            continue
        if first < len(rows):
            yield first, i
        first = i


def window(block: Array, rows: Rectangle, columns: Rectangle) -> Array:
    """The elements of a block at these rows and columns, as a view (units, inputs, units, inputs)."""
    down, across = block.strides
    steps = (rows.unit_step * down, rows.input_step * down, columns.unit_step * across, columns.input_step * across)
    return as_strided(block[rows.start :, columns.start :], (*rows.shape, *columns.shape), steps)
