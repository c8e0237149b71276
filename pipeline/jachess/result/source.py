"""Reading stored arrays: the one place that knows that a symmetric matrix may be stored as its upper half.

With ``triangle: upper`` the chunks below the diagonal of chunks are missing, and H[i, j] = H[j, i] is read from above
it; the chunks on the diagonal are whole. Everything that reads results reads them through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jachess.errors import StoreError
from jachess.network.graph import Array


@dataclass(frozen=True)
class Source:
    """A stored array.

    Attributes
    ----------
    array : Zarr array
    name : str
        What messages call it.
    symmetric : bool
        Elements below the diagonal of chunks are read from above it.
    place : object
        What must live as long as the array, such as a folder that is removed with it.
    """

    array: Any
    name: str
    symmetric: bool = False
    place: object = None

    @classmethod
    def of(cls, array: Any, name: str) -> Source:
        """The source of a Zarr array whose attributes say whether it is stored as its upper half."""
        return cls(array, name, array.attrs.get("triangle") == "upper")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""
        kind: np.dtype[Any] = self.array.dtype
        return kind

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of its chunks."""
        return tuple(self.array.chunks)

    def read(self, indices: Sequence[Array | slice]) -> Array:
        """The elements at these indices along each axis, (len(i), len(j), …).

        Raises
        ------
        StoreError
            If a chunk is damaged.
        """
        chosen = [compact(each) for each in indices]
        return self._mirrored(*chosen) if self.symmetric else self._stored(chosen)

    def _stored(self, indices: Sequence[Array | slice]) -> Array:
        plain = all(isinstance(each, slice) for each in indices)
        try:
            return np.asarray(self.array[tuple(indices)] if plain else self.array.oindex[tuple(indices)])
        except StoreError:  # the object store does not answer
            raise
        except ValueError as error:
            raise StoreError(
                f"{self.name}: a chunk is damaged ({error}). Find it with jachess status --checksums."
            ) from error

    def _mirrored(self, rows: Array | slice, columns: Array | slice) -> Array:
        """A part of a matrix of which the chunks on and above the diagonal are there."""
        edge, length = self.chunks[0], self.shape[0]
        i, j = (np.arange(length)[each] for each in (rows, columns))
        part = np.empty((len(i), len(j)), self.dtype)
        for number in np.unique(i // edge):
            own = np.flatnonzero(i // edge == number)
            above = j // edge >= number
            for which, below in ((np.flatnonzero(above), False), (np.flatnonzero(~above), True)):
                if len(which):
                    pair = [compact(i[own]), compact(j[which])]
                    found = self._stored(pair[::-1]).T if below else self._stored(pair)
                    part[_crossing(own, which)] = found
        return part


def compact(indices: Array | slice) -> Array | slice:
    """Neighbouring indices as a slice, which is read faster."""
    if isinstance(indices, slice) or not len(indices) or (np.diff(indices) != 1).any():
        return indices
    return slice(int(indices[0]), int(indices[-1]) + 1)


def _crossing(rows: Array, columns: Array) -> Any:
    """The index of the elements where these rows and columns meet."""
    pair = (compact(rows), compact(columns))
    return pair if all(isinstance(each, slice) for each in pair) else np.ix_(rows, columns)
