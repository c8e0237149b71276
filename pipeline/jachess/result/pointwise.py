"""Jacobians of a result, read points by points."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeVar

from jachess.backprop.parallel import n_cores
from jachess.network.graph import Array
from jachess.result.labelled import LabelledArray, too_small
from jachess.result.streams import Passes, map_in_order

R = TypeVar("R")

IN_FLIGHT = 6
"""Pieces' worth of memory that each thread may take: the bytes that are read, the piece, and what is made of it."""


class PointwiseArray(LabelledArray):
    """An array (N, K, D) of one matrix a point, such as the Jacobian."""

    def map_points(
        self, function: Callable[[slice, Array], R], *, held: int, passes: Passes | None = None
    ) -> Iterator[tuple[slice, R]]:
        """Go once through all points, a piece of them at a time; what ``function`` makes of each, in this order.

        Parameters
        ----------
        function : (points, values (n, K, D)) -> anything
            Runs in threads; the values must stay as they are.
        held : int
            Bytes that the analysis itself holds.
        passes : Passes, optional
            Counts the pieces, if this is one pass of several.

        Raises
        ------
        IncompleteError
            If a part of the array is missing.
        InputError
            If the memory does not take the few pieces that are in flight.
        """
        self.require()
        piece = 8 * math.prod(self.shape[1:]) * self.source.chunks[0]
        room = self.memory - held
        if room < IN_FLIGHT * piece:
            raise too_small(self.source.name, "the analysis", held + IN_FLIGHT * piece, self.memory)
        spans = self.spans()
        counter = passes or Passes(self.source.name, len(spans))

        def part(span: slice) -> tuple[slice, R]:
            rest = [slice(0, length) for length in self.shape[1:]]
            return span, function(span, self.source.read((span, *rest)))

        for found in map_in_order(part, spans, min(n_cores(), room // (IN_FLIGHT * piece))):
            counter.advance()
            yield found
        if passes is None:
            counter.close()

    def spans(self) -> list[slice]:
        """The points of each piece: those of a row of chunks."""
        step, count = self.source.chunks[0], self.shape[0]
        return [slice(start, min(start + step, count)) for start in range(0, count, step)]
