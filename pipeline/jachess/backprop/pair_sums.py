"""The sums over points that two layers share: Σ_n z_i ( R_jk z_p + δ_k G_jp )."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from jachess.backprop.contraction import Contraction, pair_places
from jachess.backprop.diagonal import Diagonal, Tangent
from jachess.backprop.places import Part, chosen
from jachess.network.graph import Array
from jachess.network.layers import Indices
from jachess.network.working_arrays import empty

FINISHED = 1 << 17
"""Elements of finished sums that are brought to their places at once: what stays in cache on the way."""
RUN = 512
"""Elements that should follow each other in each row below the diagonal."""


class PairSums:
    """The sums for some units j and inputs i of one layer, and some units k and inputs p of another or the same.

    Within one layer R_jk is symmetric, as z_i z_p is, and G is zero: where the columns begin with the rows, only pairs
    with k ≥ j and with p ≥ i are computed, a quarter of the work. Where the second layer is fed by mere functions of
    the first one's activations, G is diagonal and its term a cheap product.

    Sums are there for some units j at a time, all of them unless `begin` says which.

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
            len(self.first_inputs),
            len(self.second_inputs),
            dtype,
            packed=same and _begins_with(self.second_inputs, self.first_inputs),
        )
        # by where a source begins among the second layer's inputs: the same value may feed it twice
        self._tangents: dict[int, Contraction] = {}
        self._span: slice | None = None
        self._response_factors: list[Array] = []
        self._tangent_factors: dict[int, list[Array]] = {}
        self._diagonal: set[int] = set()
        self.begin(self.first_units)

    def begin(self, units: Sequence[int] | Indices) -> bool:
        """Sum what belongs to these of the first layer's units in the place of others; whether it has any of them."""
        edges = np.searchsorted(self.first_units, (units[0], units[-1] + 1)) if len(units) else (0, 0)
        self._begun = slice(int(edges[0]), int(edges[1]))
        self._responses.begin(int(self._n_pairs[self._begun].sum()))
        for _, inputs, positions in self._sources:
            if positions.start in self._tangents:
                self._tangents[positions.start].begin(len(self.units) * len(inputs))
        self._diagonals: dict[int, Array] = {}
        return len(self.units) > 0

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
        start, stop = (int(edge) for edge in np.searchsorted(self.units, (units[0], units[-1] + 1)))
        if start == stop:
            return
        start, stop = start + self._begun.start, stop + self._begun.start
        self._span = slice(self._span.start if self._span else start, stop)
        perturbed = np.searchsorted(units, self.first_units[start:stop])
        if response is not None:
            rows = chosen(response.swapaxes(1, 2), perturbed)
            if self._packed:
                behind = (self.second_units[j:] for j in range(start, stop))
                self._response_factors += [chosen(row, those) for row, those in zip(rows, behind, strict=True)]
            else:
                self._response_factors.append(_flat(chosen(rows, self.second_units, axis=1)))
        for source, inputs, positions in self._sources:
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
        _, n_second, n_first, _ = self._shape()
        n_units, begun, z_first = len(self.units), self._begun.start, chosen(z_first, self.first_inputs)
        span = slice(self._span.start - begun, self._span.stop - begun)
        if self._response_factors:
            factors = _joined(self._response_factors)
            start = int(self._n_pairs[self._begun][: span.start].sum())
            rows = slice(start, start + len(factors))
            self._responses.add(rows, factors, z_first, chosen(z_second, self.second_inputs), first=first)
        for _, inputs, positions in self._sources:
            place = positions.start
            if not self._tangent_factors.get(place):
                continue
            factors = _joined(self._tangent_factors[place])
            if place in self._diagonal:
                sums = self._diagonals.setdefault(place, np.zeros((n_units, n_second, n_first), self.dtype))
                sums[span] += (factors @ z_first.T).reshape(-1, n_second, n_first)
            elif delta is not None:
                if place not in self._tangents:
                    self._tangents[place] = Contraction(n_first, n_second, self.dtype)
                    self._tangents[place].begin(n_units * len(inputs))
                rows = slice(span.start * len(inputs), span.stop * len(inputs))
                self._tangents[place].add(rows, factors, z_first, chosen(delta, self.second_units), first=first)
        self._span, self._response_factors, self._tangent_factors = None, [], {}

    def finished(self) -> Iterator[tuple[slice, slice, Array]]:
        """The sums (J', K', I, P) of some units j and k at a time: long runs in both triangles, and all in cache."""
        n_units, n_second, *_ = self._shape()
        if not self._packed:
            yield from self._some_finished(self._begun, slice(0, n_second))
            return
        yield from self._some_finished(self._begun, slice(self._begun.start, n_second))
        yield from self._some_finished(slice(self._begun.stop, n_units), self._begun)  # R_kj = R_jk

    def _some_finished(self, begun: slice, seconds: slice) -> Iterator[tuple[slice, slice, Array]]:
        *_, n_first, n_second = self._shape()
        down = min(len(self.first_units), -(-RUN // n_first))
        across = max(1, FINISHED // (down * n_first * n_second))
        pairs = self._responses.all_pairs().ravel()
        start = self._pairs[self._begun.start, self._begun.start if self._packed else 0]
        for units in _steps(begun, down):
            for outer in _steps(seconds, across):
                shape = (units.stop - units.start, outer.stop - outer.start, n_first, n_second)
                if not self._responses.added:
                    sums = np.zeros(shape, self.dtype)
                elif self._packed or self._responses.packed:
                    rows = self._responses.sums[self._pairs[units, outer].ravel() - start]
                    sums = empty((len(rows), len(pairs)), self.dtype)
                    sums = np.take(rows, pairs, axis=1, mode="clip", out=sums).reshape(shape)
                else:
                    every = self._responses.sums.reshape(len(self.units), -1, n_first, n_second)
                    sums = every[_from(begun, units), outer]
                self._add_finished_tangents(units, outer, sums)
                yield units, outer, sums

    def _add_finished_tangents(self, units: slice, outer: slice, sums: Array) -> None:
        mine = _from(self._begun, units)
        for _, inputs, positions in self._sources:
            tangents = self._tangents.get(positions.start)
            if tangents is not None and tangents.added:
                shape = (len(self.units), len(inputs), len(self.first_inputs), len(self.second_units))
                sums[..., positions] += tangents.sums.reshape(shape)[mine, :, :, outer].transpose(0, 3, 2, 1)
            if positions.start in self._diagonals:
                found = np.searchsorted(inputs, self.units[mine]).clip(max=len(inputs) - 1)
                for j in np.flatnonzero(inputs[found] == self.units[mine]):
                    p = positions.start + found[j]
                    sums[j, :, :, p] += self._diagonals[positions.start][mine.start + j, outer]

    @cached_property
    def _sources(self) -> list[tuple[str, Indices, slice]]:
        """The values that feed the second layer: which of their elements are wanted, and where these lie among p."""
        sources, start = [], 0
        for source, width in self.second.inputs:
            first, last = np.searchsorted(self.second_inputs, (start, start + width))
            if first < last:
                sources.append((source, self.second_inputs[first:last] - start, slice(int(first), int(last))))
            start += width
        return sources

    @property
    def units(self) -> Indices:
        """The first layer's units whose sums have been begun."""
        return self.first_units[self._begun]

    @cached_property
    def _n_pairs(self) -> Indices:
        """Second units that each first one has a sum with, of its own."""
        n_units, n_second, *_ = self._shape()
        return n_second - np.arange(n_units) if self._packed else np.full(n_units, n_second)

    @property
    def n_sums(self) -> Indices:
        """Elements of the sums of responses that belong to each of the first layer's units."""
        return self._n_pairs * self._responses.n_pairs

    @property
    def n_factors(self) -> int:
        """Factors that one unit j contributes for each point, at most."""
        return len(self.second_units) + len(self.second_inputs)

    def _shape(self) -> tuple[int, int, int, int]:
        return len(self.first_units), len(self.second_units), len(self.first_inputs), len(self.second_inputs)


def _from(span: slice, part: slice) -> slice:
    """A range, counted from the start of another one."""
    return slice(part.start - span.start, part.stop - span.start)


def _steps(span: slice, length: int) -> Iterator[slice]:
    for start in range(span.start, span.stop, length):
        yield slice(start, min(start + length, span.stop))


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
