"""Arrays of the store: their shapes, chunks, and which block writes which chunk."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jachess.network.graph import Array

Region = tuple[slice, ...]
"""A part of an array."""

CRC_BYTES = 4
CHUNK = 8 * 2**20
"""Bytes of a stored chunk, where there is enough to store."""


def chunk_region(indices: Sequence[int], chunks: Sequence[int], shape: Sequence[int]) -> Region:
    """What a chunk holds of an array."""
    spans = zip(indices, chunks, shape, strict=True)
    return tuple(slice(i * chunk, min((i + 1) * chunk, length)) for i, chunk, length in spans)


@dataclass(frozen=True)
class ArraySpec:
    """An array of the store.

    Attributes
    ----------
    name : str
    dimensions : tuple of str
    shape, chunks : tuple of int
    dtype : str
    attributes : mapping
    left_out : int
        Chunks that are never written.
    owner : function of a chunk's indices (open grids) -> array
        The block that writes it, -1 for none; by default the first index.
    fill : float
        What chunks that are not there read as.
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    left_out: int = 0
    owner: Callable[..., Array] = lambda first, *_: first
    fill: float = np.nan

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk's file: chunks at the edges are whole too, and each has its checksum."""
        return math.prod(self.chunks) * int(np.dtype(self.dtype).itemsize) + CRC_BYTES

    @property
    def grid(self) -> tuple[int, ...]:
        """Chunks along each axis."""
        return tuple(-(-length // chunk) for length, chunk in zip(self.shape, self.chunks, strict=True))

    @property
    def owners(self) -> Array:
        """The block that writes each chunk (grid), -1 for none."""
        return np.broadcast_to(self.owner(*np.ogrid[tuple(slice(n) for n in self.grid)]), self.grid)

    def touched(self, region: Region) -> Iterator[tuple[int, ...]]:
        """Indices of the chunks that a region touches."""
        spans = (range(s.start // c, -(-s.stop // c)) for s, c in zip(region, self.chunks, strict=True))
        return itertools.product(*spans)

    @property
    def stored_bytes(self) -> int:
        """Bytes of all chunks that are written."""
        return (math.prod(self.grid) - self.left_out) * self.chunk_bytes
