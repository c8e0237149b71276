"""A table of rows; where rows can only be read many at a time, whole pieces are read and the last ones kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from jachess.network.graph import Array

KEPT = 2
"""Pieces that are kept: rows are asked for in order, and those asked for together may lie in two pieces."""


@dataclass(frozen=True)
class Table:
    """An array whose first axis is read in pieces.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    read : (start, stop) -> array (stop - start, …)
    memory : int
        Bytes that reading takes at most, above those of the rows that are asked for.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[int, int], Array]
    memory: int = 0


class Pieces:
    """Rows that are read piece by piece.

    Parameters
    ----------
    borders : array (n_pieces + 1,)
        Piece n holds the rows from border n to the next.
    read_piece : number -> array
    largest : int
        Bytes of the largest piece.
    reading : int
        Bytes that reading one takes above that.
    """

    def __init__(self, borders: Array, read_piece: Callable[[int], Array], largest: int, reading: int = 0) -> None:
        self._borders = borders
        self._piece = lru_cache(maxsize=KEPT)(read_piece)
        self.memory = KEPT * largest + reading

    def read(self, start: int, stop: int) -> Array:
        """Rows start to stop."""
        first = int(np.searchsorted(self._borders, start, side="right")) - 1
        last = max(first + 1, int(np.searchsorted(self._borders, stop, side="left")))
        parts: list[Array] = []
        for number in range(first, last):
            border = int(self._borders[number])
            parts.append(self._piece(number)[max(start - border, 0) : stop - border])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
