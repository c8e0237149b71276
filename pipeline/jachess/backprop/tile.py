"""The part of a Hessian block that two layers share: sums over points as matrix products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jachess.network.graph import Array
from jachess.network.layers import CONSTANT, Indices, Layer

_PAIRS = 1 << 13
"""Products z_i z_p of one point that are held at once, so that a chunk of them stays near the cache."""

_PRODUCTS = 1 << 20
"""Elements of one product of matrices, before it is added to the sums."""

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """Where weights of the two layers lie in the block; −1 where they do not.

    Attributes
    ----------
    first, second : int arrays (I, J) and (P, K)
        Row and column (or, transposed, column and row) of each weight of the tile.
    transposed : bool
        The first layer's weights are the block's columns.
    """

    first: Places
    second: Places
    transposed: bool


class Tile:
    """Σ_n z_i (R_jk z_p + δ_k G_jp) for some units and inputs of two layers, the first not behind the second.

    Attributes
    ----------
    first_units, first_inputs, second_units, second_inputs : int arrays (J,), (I,), (K,), (P,)
        The rectangle of units and inputs that is computed.
    sums : array (J, K, I, P)
    """

    def __init__(self, first: Layer, second: Layer, row_places: Places, column_places: Places) -> None:
        self.first, self.second = first, second
        a, b = row_places != CONSTANT, column_places != CONSTANT
        self.first_inputs, self.first_units = np.flatnonzero(a.any(axis=1)), np.flatnonzero(a.any(axis=0))
        self.second_inputs, self.second_units = np.flatnonzero(b.any(axis=1)), np.flatnonzero(b.any(axis=0))
        self.places: list[Place] = []
        self.add_place(row_places, column_places, transposed=False)
        shape = (
            len(self.first_units),
            len(self.second_units),
            len(self.first_inputs),
            len(self.second_inputs),
        )
        self.sums = np.zeros(shape)

    def covers(self, first: Places, second: Places) -> bool:
        """Whether all these weights of the two layers are inside the rectangle."""
        a, b = first != CONSTANT, second != CONSTANT
        return bool(
            np.isin(np.flatnonzero(a.any(axis=1)), self.first_inputs).all()
            and np.isin(np.flatnonzero(a.any(axis=0)), self.first_units).all()
            and np.isin(np.flatnonzero(b.any(axis=1)), self.second_inputs).all()
            and np.isin(np.flatnonzero(b.any(axis=0)), self.second_units).all()
        )

    def add_place(self, first: Places, second: Places, *, transposed: bool) -> None:
        """Let the sums go to one more place of the block."""
        inside_first = first[np.ix_(self.first_inputs, self.first_units)]
        inside_second = second[np.ix_(self.second_inputs, self.second_units)]
        self.places.append(Place(inside_first, inside_second, transposed))

    def add(
        self,
        values: Mapping[str, Array],
        delta: Mapping[str, Array],
        tangents: Mapping[str, Array],
        responses: Mapping[str, Array],
        units: Array,
    ) -> None:
        """Add the sum over a chunk of n points, for those units j that are among ``units`` (perturbed together).

        Parameters
        ----------
        values, delta : mapping of value to (n, width)
        tangents, responses : mapping of value to (len(units), n, width)
        """
        mine = np.flatnonzero(np.isin(self.first_units, units))
        theirs = np.searchsorted(units, self.first_units[mine])
        if not len(mine):
            return
        n_points = len(next(iter(delta.values())))
        z_first = _inputs(self.first, values, n_points)[:, self.first_inputs]
        z_second = _inputs(self.second, values, n_points)[:, self.second_inputs]
        response = responses.get(self.second.pre_activation)
        if response is not None:
            r = response[theirs][:, :, self.second_units].transpose(0, 2, 1)
            _contract(self.sums, mine, r, z_first, z_second)
        g = _input_tangents(self.second, tangents, self.second_inputs, theirs)
        error = delta.get(self.second.pre_activation)
        if g is not None and error is not None:
            # the same contraction with the roles of (k, p) exchanged: Σ_n G_jp (z_i δ_k)
            swapped = self.sums.transpose(0, 3, 2, 1)
            _contract(swapped, mine, g.transpose(0, 2, 1), z_first, error[:, self.second_units])

    def scatter(self, block: Array) -> None:
        """Add the finished sums to their places in the block."""
        for place in self.places:
            target = block.T if place.transposed else block
            columns = place.second.T.ravel()  # (K, P)
            kept = np.flatnonzero(columns != CONSTANT)
            for j in range(len(self.first_units)):
                rows = place.first[:, j]
                chosen = np.flatnonzero(rows != CONSTANT)
                part = self.sums[j].transpose(1, 0, 2).reshape(len(self.first_inputs), -1)
                target[np.ix_(rows[chosen], columns[kept])] += part[np.ix_(chosen, kept)]


def _contract(sums: Array, mine: Array, factor: Array, left: Array, right: Array) -> None:
    """sums[j, b, i, c] += Σ_n factor[j, b, n] left[n, i] right[n, c] for j in ``mine``, as products of matrices."""
    step = max(1, _PAIRS // max(1, right.shape[1]))
    for start in range(0, left.shape[1], step):
        part = left[:, start : start + step]
        pairs = (part[:, :, None] * right[:, None, :]).reshape(len(left), -1)
        group = max(1, _PRODUCTS // max(1, factor.shape[1] * pairs.shape[1]))
        for first in range(0, len(mine), group):
            some = factor[first : first + group]
            product = np.matmul(some, pairs).reshape(*some.shape[:2], part.shape[1], right.shape[1])
            sums[mine[first : first + group], :, start : start + step] += product


def _inputs(layer: Layer, values: Mapping[str, Array], n_points: int) -> Array:
    """Z (n, ΣI) of a layer, with a column of ones for each bias."""
    parts = [values[name] if name else np.ones((n_points, 1)) for name, _ in layer.inputs]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _input_tangents(layer: Layer, tangents: Mapping[str, Array], inputs: Array, rows: Array) -> Array | None:
    """G (J, n, P) of the chosen inputs of a layer; None where all are zero."""
    found = [tangents[name] for name, _ in layer.inputs if name in tangents]
    if not found:
        return None
    lead = (len(rows), found[0].shape[1])
    parts = [tangents[name][rows] if name in tangents else np.zeros((*lead, width)) for name, width in layer.inputs]
    return np.concatenate(parts, axis=2)[:, :, inputs]


def make_tiles(layers: Sequence[Layer], n_weights: int, rows: slice, columns: slice) -> list[Tile]:
    """The tiles that make up the block H[rows, columns], as far as both weights enter layers."""
    row_of, column_of = _places(n_weights, rows), _places(n_weights, columns)
    tiles: list[Tile] = []
    for number, first in enumerate(layers):
        for second in layers[number:]:
            found: Tile | None = None
            a, b = _look_up(row_of, first.indices), _look_up(column_of, second.indices)
            if (a != CONSTANT).any() and (b != CONSTANT).any():
                found = Tile(first, second, a, b)
                tiles.append(found)
            if first is second:
                continue
            a, b = _look_up(column_of, first.indices), _look_up(row_of, second.indices)
            if (a == CONSTANT).all() or (b == CONSTANT).all():
                continue
            if found is not None and found.covers(a, b):
                found.add_place(a, b, transposed=True)
            else:
                found = Tile(first, second, a, b)
                found.places.clear()
                found.add_place(a, b, transposed=True)
                tiles.append(found)
    return tiles


def _places(n_weights: int, span: slice) -> Places:
    places = np.full(n_weights, CONSTANT, np.int64)
    places[span] = np.arange(span.stop - span.start)
    return places


def _look_up(places: Places, indices: Indices) -> Places:
    return np.where(indices == CONSTANT, CONSTANT, places[indices])
