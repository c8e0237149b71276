"""The part of a Hessian block that two layers share: Σ_n z_i ( R_jk z_p + δ_k G_jp )."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jachess.backprop.contraction import Contraction, pair_places
from jachess.backprop.diagonal import Diagonal, Tangent
from jachess.backprop.places import Part, Rectangle, chosen, window
from jachess.network.graph import Array
from jachess.network.layers import Indices
from jachess.network.working_arrays import empty

FINISHED = 1 << 17
"""Elements of finished sums that are brought to their places at once: what stays in cache on the way."""
RUN = 512
"""Elements that should follow each other in each row below the diagonal."""


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


class Tile:
    """The sums for some units j and inputs i of one layer, and some units k and inputs p of another or the same.

    Within one layer R_jk is symmetric, as z_i z_p is, and G is zero: where the columns begin with the rows, only pairs
    with k ≥ j and with p ≥ i are computed, a quarter of the work. Where the second layer is fed by mere functions of
    the first one's activations, G is diagonal and its term a cheap product.

    Parameters
    ----------
    first, second : Part
        The weights whose second derivatives are summed; the first's layer is not behind the second's.

    Attributes
    ----------
    first_units, first_inputs, second_units, second_inputs : int arrays (J,), (I,), (K,), (P,)
    """

    def __init__(self, first: Part, second: Part, dtype: np.dtype[Any]) -> None:
        self.first, self.second, self.dtype = first.layer, second.layer, dtype
        self.first_inputs, self.first_units = first.inputs, first.units
        self.second_inputs, self.second_units = second.inputs, second.units
        same = self.first is self.second
        self._packed = same and _begins_with(self.second_units, self.first_units)
        self._pairs = pair_places(len(self.first_units), len(self.second_units), packed=self._packed)
        self._responses = Contraction(
            int(self._pairs.max()) + 1,
            len(self.first_inputs),
            len(self.second_inputs),
            dtype,
            packed=same and _begins_with(self.second_inputs, self.first_inputs),
        )
        # by where a source begins among the second layer's inputs: the same value may feed it twice
        self._tangents: dict[int, Contraction] = {}
        self._diagonals: dict[int, Array] = {}
        self._responded = False
        self._span: slice | None = None
        self._response_factors: list[Array] = []
        self._tangent_factors: dict[int, list[Array]] = {}
        self._diagonal: set[int] = set()
        self.places: list[Place] = []

    def add_place(self, first: Part, second: Part, *, transposed: bool) -> None:
        """Let the sums of these weights, or of some of them, go to a place of the block, or to one more."""
        rows = first.rectangles(self.first_inputs, self.first_units)
        columns = second.rectangles(self.second_inputs, self.second_units)
        self.places.append(Place(rows, columns, transposed))

    def collect(
        self, units: Array, delta: Array | None, tangents: Mapping[str, Tangent], response: Array | None
    ) -> None:
        """Take what n points contribute for units j that have been perturbed together, until the next `contract`.

        Parameters
        ----------
        units : int array (J',)
        delta : array (K, n), or None
            Errors of the second layer's units.
        tangents : mapping of value to (J', n, width)
        response : array (J', n, K), or None
            Responses of those errors.
        """
        start, stop = (int(edge) for edge in np.searchsorted(self.first_units, (units[0], units[-1] + 1)))
        if start == stop:
            return
        self._span = slice(self._span.start if self._span else start, stop)
        perturbed = np.searchsorted(units, self.first_units[start:stop])
        if response is not None:
            rows = chosen(response.swapaxes(1, 2), perturbed)
            if self._packed:
                behind = (self.second_units[j:] for j in range(start, stop))
                self._response_factors += [chosen(row, those) for row, those in zip(rows, behind, strict=True)]
            else:
                self._response_factors.append(_flat(chosen(rows, self.second_units, axis=1)))
        for source, inputs, positions in self._sources():
            tangent = tangents.get(source)
            factors = self._tangent_factors.setdefault(positions.start, [])
            if delta is not None and isinstance(tangent, Diagonal):  # δ_k G_jp is not zero only for p = j
                self._diagonal.add(positions.start)
                factors.append(_flat(chosen(tangent.rows(), perturbed)[:, None] * chosen(delta, self.second_units)))
            elif delta is not None and isinstance(tangent, np.ndarray):
                factors.append(_flat(chosen(chosen(tangent.swapaxes(1, 2), perturbed), inputs, axis=1)))

    def contract(self, z_first: Array, z_second: Array, delta: Array | None, *, first: bool) -> None:
        """Sum what has been collected over the n points.

        Parameters
        ----------
        z_first, z_second : arrays (ΣI, n) and (ΣP, n)
            What feeds the two layers, biases counted.
        delta : array (K, n), or None
        first : bool
            This is the first chunk of points.
        """
        if self._span is None:
            return
        n_units, n_second, n_first, _ = self._shape()
        span, z_first = self._span, chosen(z_first, self.first_inputs)
        if self._response_factors:
            factors = _joined(self._response_factors)
            start = int(self._pairs[span.start, span.start if self._packed else 0])
            rows = slice(start, start + len(factors))
            self._responses.add(rows, factors, z_first, chosen(z_second, self.second_inputs), first=first)
            self._responded = True
        for _, inputs, positions in self._sources():
            place = positions.start
            if not self._tangent_factors.get(place):
                continue
            factors = _joined(self._tangent_factors[place])
            if place in self._diagonal:
                sums = self._diagonals.setdefault(place, np.zeros((n_units, n_second, n_first), self.dtype))
                sums[span] += (factors @ z_first.T).reshape(-1, n_second, n_first)
            elif delta is not None:
                if place not in self._tangents:
                    self._tangents[place] = Contraction(n_units * len(inputs), n_first, n_second, self.dtype)
                rows = slice(span.start * len(inputs), span.stop * len(inputs))
                self._tangents[place].add(rows, factors, z_first, chosen(delta, self.second_units), first=first)
        self._span, self._response_factors, self._tangent_factors = None, [], {}

    def scatter(self, block: Array, *, add: bool) -> None:
        """Bring the finished sums to their places in the block, or add them to what is there."""
        targets = [
            (rows, columns, window(block.T if place.transposed else block, rows, columns))
            for place in self.places
            for rows in place.first
            for columns in place.second
        ]
        for units, outer, sums in self._finished():
            for rows, columns, target in targets:
                mine, there = _common(units, rows.units)
                outers, beyond = _common(outer, columns.units)
                part = sums[mine, outers, rows.inputs, columns.inputs].transpose(0, 2, 1, 3)
                if part.size:
                    place = target[there, :, beyond]
                    np.add(place, part, out=place) if add else np.copyto(place, part)

    def _finished(self) -> Iterator[tuple[slice, slice, Array]]:
        """The sums (J', K', I, P) of some units j and k at a time: long runs in both triangles, and all in cache."""
        n_units, n_second, *inputs = self._shape()
        down = min(n_units, -(-RUN // inputs[0]))
        across = max(1, FINISHED // (down * math.prod(inputs)))
        pairs = self._responses.all_pairs().ravel()
        for start in range(0, n_units, down):
            units = slice(start, min(start + down, n_units))
            for first in range(0, n_second, across):
                outer = slice(first, min(first + across, n_second))
                shape = (units.stop - start, outer.stop - first, *inputs)
                if not self._responded:
                    sums = np.zeros(shape, self.dtype)
                elif self._packed or self._responses.packed:
                    rows = self._responses.sums[self._pairs[units, outer].ravel()]
                    sums = empty((len(rows), len(pairs)), self.dtype)
                    sums = np.take(rows, pairs, axis=1, mode="clip", out=sums).reshape(shape)
                else:
                    sums = self._responses.sums.reshape(n_units, n_second, *inputs)[units, outer]
                self._add_finished_tangents(units, outer, sums)
                yield units, outer, sums

    def _add_finished_tangents(self, units: slice, outer: slice, sums: Array) -> None:
        for _, inputs, positions in self._sources():
            if positions.start in self._tangents:
                found = self._tangents[positions.start].sums
                shape = (len(self.first_units), len(inputs), len(self.first_inputs), len(self.second_units))
                sums[..., positions] += found.reshape(shape)[units, :, :, outer].transpose(0, 3, 2, 1)
            if positions.start in self._diagonals:
                for j in range(units.start, units.stop):
                    for p in np.flatnonzero(inputs == self.first_units[j]):
                        sums[j - units.start, :, :, positions.start + p] += self._diagonals[positions.start][j, outer]

    def _sources(self) -> Iterator[tuple[str, Indices, slice]]:
        """The values that feed the second layer: which of their elements are wanted, and where these lie among p."""
        start = 0
        for source, width in self.second.inputs:
            first, last = np.searchsorted(self.second_inputs, (start, start + width))
            if first < last:
                yield source, self.second_inputs[first:last] - start, slice(int(first), int(last))
            start += width

    @property
    def n_factors(self) -> int:
        """Factors that one unit j contributes for each point, at most."""
        return len(self.second_units) + len(self.second_inputs)

    def _shape(self) -> tuple[int, int, int, int]:
        return len(self.first_units), len(self.second_units), len(self.first_inputs), len(self.second_inputs)


def _common(a: slice, b: slice) -> tuple[slice, slice]:
    """What two ranges have in common, counted from the start of each."""
    start = max(a.start, b.start)
    stop = max(start, min(a.stop, b.stop))
    return slice(start - a.start, stop - a.start), slice(start - b.start, stop - b.start)


def _begins_with(longer: Indices, shorter: Indices) -> bool:
    return len(longer) >= len(shorter) and bool((longer[: len(shorter)] == shorter).all())


def _flat(rows: Array) -> Array:
    """Rows (a, b, n) as (a · b, n)."""
    return rows.reshape(-1, rows.shape[2])


def _joined(parts: list[Array]) -> Array:
    if len(parts) == 1:
        return parts[0]
    room = empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    return np.concatenate(parts, out=room)
