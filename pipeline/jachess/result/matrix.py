"""Symmetric matrices of a result, read tile by tile: a tile is a chunk on or above the diagonal of chunks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from jachess.backprop.parallel import n_cores
from jachess.network.graph import Array
from jachess.result.labelled import LabelledArray, too_small
from jachess.result.source import Source
from jachess.result.streams import Passes, map_in_order

R = TypeVar("R")

IN_FLIGHT = 5
"""Tiles' worth of memory that each thread may take: the bytes that are read, the tile, and what is made of it."""


@dataclass(frozen=True)
class Tile:
    """Where a tile H[rows, columns] is; one that is not on the diagonal stands for its transpose as well."""

    rows: slice
    columns: slice

    @property
    def start(self) -> tuple[int, int]:
        """Its first row and column."""
        return self.rows.start, self.columns.start

    @property
    def diagonal(self) -> bool:
        """Whether it lies on the diagonal, and holds both triangles of its part."""
        return self.rows == self.columns


@dataclass
class Kept:
    """Tiles that stay in memory from one pass to the next: the first that fit.

    Whatever is read in the same order again and again is best kept from the start; to drop the oldest would be to
    drop what is needed next.

    Attributes
    ----------
    room : int
        Bytes that are free.
    held : int
        Bytes that are taken.
    """

    room: int
    held: int = 0
    _values: dict[tuple[int, int], Array] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, source: Source, tile: Tile) -> Array:
        """The values of a tile, from the store if they are not kept."""
        values = self._values.get(tile.start)
        if values is None:
            values = source.read((tile.rows, tile.columns))
            with self._lock:
                if values.nbytes <= self.room:
                    self.room -= values.nbytes
                    self.held += values.nbytes
                    self._values[tile.start] = values
        return values


class TiledMatrix(LabelledArray):
    """A stored symmetric matrix (W, W), such as the Hessian."""

    @property
    def edge(self) -> int:
        """Rows and columns of a tile."""
        return self.source.chunks[0]

    @property
    def tensors(self) -> list[tuple[str, slice]]:
        """The weight tensors and their places along an axis."""
        weights = self.axes[0].plan.weights
        return [(name, slice(offset, offset + int(np.prod(shape)))) for name, shape, offset in weights]

    def spans(self) -> list[slice]:
        """The rows of each row of tiles."""
        return [slice(start, min(start + self.edge, len(self))) for start in range(0, len(self), self.edge)]

    def __len__(self) -> int:
        return self.shape[0]

    def map_tiles(
        self, function: Callable[[Tile, Array], R], *, kept: Kept | None = None, passes: Passes | None = None
    ) -> Iterator[tuple[Tile, R]]:
        """Go once through all tiles, row by row; what ``function`` makes of each, in this order.

        Parameters
        ----------
        function : (Tile, values) -> anything
            Runs in threads; the values must stay as they are.
        kept : Kept, optional
            Tiles that need not be read again.
        passes : Passes, optional
            Counts the tiles, if this is one pass of several.

        Raises
        ------
        IncompleteError
            If a part of the matrix is missing.
        InputError
            If the memory does not take the few tiles that are in flight.
        """
        self.require()
        spans = self.spans()
        tiles = [Tile(rows, columns) for number, rows in enumerate(spans) for columns in spans[number:]]
        counter, tiles_kept = passes or Passes(self.source.name, len(tiles)), kept or Kept(0)

        def part(tile: Tile) -> tuple[Tile, R]:
            return tile, function(tile, tiles_kept.read(self.source, tile))

        for found in map_in_order(part, tiles, self.n_threads):
            counter.advance()
            yield found
        if passes is None:
            counter.close()

    @property
    def n_threads(self) -> int:
        """Threads of a pass: one a core, or so few that they take no more than a quarter of the memory."""
        return max(1, min(n_cores(), self.memory // (4 * IN_FLIGHT * self.tile_bytes)))

    @property
    def tile_bytes(self) -> int:
        """Bytes of a tile in float64."""
        return 8 * self.edge**2

    @property
    def in_flight(self) -> int:
        """Bytes that a pass holds besides its results."""
        return IN_FLIGHT * self.tile_bytes * self.n_threads

    def room(self, held: int, what: str) -> int:
        """Bytes of the memory that are left besides a pass and ``held`` bytes of other arrays.

        Raises
        ------
        InputError
            If there are none.
        """
        left = self.memory - self.in_flight - held
        if left < 0:
            raise too_small(self.source.name, what, self.memory - left, self.memory)
        return left


def grouped(values: Array, tile: Tile, edges: Array, ufunc: np.ufunc) -> tuple[int, int, Array]:
    """Reduce a tile over groups of rows and columns.

    Parameters
    ----------
    values : array (rows, columns)
    edges : int array
        Where each group of rows, or columns, of the matrix begins, from 0 on.
    ufunc : numpy.ufunc
        ``add`` or ``maximum``.

    Returns
    -------
    first row group, first column group, array (row groups, column groups)
    """
    reduced, firsts = values, []
    for axis, span in ((1, tile.columns), (0, tile.rows)):
        first = int(np.searchsorted(edges, span.start, "right")) - 1
        last = int(np.searchsorted(edges, span.stop, "left"))
        reduced = ufunc.reduceat(reduced, np.maximum(edges[first:last] - span.start, 0), axis=axis)
        firsts.append(first)
    return firsts[1], firsts[0], reduced


def gather(total: Array, tile: Tile, found: tuple[int, int, Array], ufunc: np.ufunc) -> None:
    """Join what `grouped` found in a tile, on both sides of the diagonal, to ``total`` (groups, groups)."""
    i, j, reduced = found
    for first, second, part in ((i, j, reduced), (j, i, reduced.T))[: 1 if tile.diagonal else 2]:
        place = total[first : first + part.shape[0], second : second + part.shape[1]]
        ufunc(place, part, out=place)
