"""Arrays of a result, and parts of them, with the names of their elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.axes import Axis, Key
from jachess.result.lazy import dask_part, labelled_part
from jachess.result.source import Source


@dataclass(frozen=True)
class LabelledArray:
    """An array of a result. Nothing is read before the values of a part are asked for.

    Attributes
    ----------
    source : Source
    axes : tuple of Axis
    memory : int
        Bytes that reading or an analysis may hold at a time.
    require : () -> None
        Raises IncompleteError if a part of the array is missing. Analyses ask; who reads a part gets NaN.
    """

    source: Source
    axes: tuple[Axis, ...]
    memory: int
    require: Callable[[], None]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""
        return self.source.dtype

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.axes)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{axis.name}: {axis.length}" for axis in self.axes)
        return f"<{self.source.name} ({sizes}) {self.dtype}>"

    def __getitem__(self, keys: Key | tuple[Key, ...]) -> Part:
        """The part at ``keys``, one for each axis; axes without one are whole.

        A key is a number, a slice, a list, or words: a weight tensor, ``hidden.weight[3, :]``, ``hidden.bias unit=3``,
        ``0:10`` (see `jachess.result.axes`). The part keeps all axes, also those of a single element.

        Raises
        ------
        InputError
            If there is no such part.
        """
        given = keys if isinstance(keys, tuple) else (keys,)
        if len(given) > len(self.axes):
            raise InputError(
                f"{self.source.name}: too many selections (wanted at most {len(self.axes)}, for "
                f"{', '.join(self.dimensions)}; got {len(given)}). Leave some out."
            )
        return self.sel(**dict(zip(self.dimensions, given, strict=False)))

    def sel(self, **keys: Key) -> Part:
        """The part at these keys, by the names of the axes.

        Parameters
        ----------
        **keys
            For example ``point=0, output="1,5", input=slice(3, 8)``; see `__getitem__`.

        Returns
        -------
        Part

        Raises
        ------
        InputError
            If there is no such axis, or no such element.
        """
        strangers = [name for name in keys if name not in self.dimensions]
        if strangers:
            raise InputError(
                f"{self.source.name}: has no dimension {strangers[0]} (wanted {', '.join(self.dimensions)}). "
                "Leave it out."
            )
        return Part(self, tuple(axis.find(keys.get(axis.name)) for axis in self.axes))

    def to_dask(self) -> Any:
        """The whole array as a lazy dask.array."""
        return dask_part(self.source)

    def to_xarray(self) -> Any:
        """The whole array as a lazy xarray.DataArray with its labels.

        Raises
        ------
        InputError
            If xarray is not installed.
        """
        return self[()].to_xarray()


@dataclass(frozen=True)
class Part:
    """Some rows, columns, … of an array; they are read when their values are asked for.

    Attributes
    ----------
    array : LabelledArray
    indices : tuple of int arrays
        The chosen elements of each axis.
    """

    array: LabelledArray
    indices: tuple[Array, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many elements are chosen of each axis."""
        return tuple(len(each) for each in self.indices)

    @property
    def whole(self) -> bool:
        """Whether it is the whole array, in its order."""
        return all(
            len(which) == axis.length and bool((np.diff(which) == 1).all())
            for axis, which in zip(self.array.axes, self.indices, strict=True)
        )

    @property
    def labels(self) -> tuple[list[str], ...]:
        """Their names, one list an axis."""
        return tuple(axis.names(which) for axis, which in zip(self.array.axes, self.indices, strict=True))

    @property
    def values(self) -> Array:
        """The elements, as NumPy array.

        Raises
        ------
        InputError
            If they do not fit the memory.
        StoreError
            If a chunk is damaged.
        """
        wanted = math.prod(self.shape) * self.array.dtype.itemsize
        if wanted > self.array.memory:
            raise InputError(
                f"{self.array.source.name}: the part is larger than the memory it may use (wanted {wanted:,} bytes; "
                f"got {self.array.memory:,}). Select less, use to_dask(), or open the result with more memory."
            )
        return self.array.source.read(self.indices)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("a stored array cannot be viewed without reading it")
        return self.values.astype(dtype or self.array.dtype, copy=False)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {n}" for name, n in zip(self.array.dimensions, self.shape, strict=True))
        return f"<part of {self.array.source.name} ({sizes}); .values reads it>"

    def to_dask(self) -> Any:
        """The part as a lazy dask.array."""
        return dask_part(self.array.source, self.indices)

    def to_xarray(self) -> Any:
        """The part as a lazy xarray.DataArray with its labels.

        Raises
        ------
        InputError
            If xarray is not installed.
        """
        return labelled_part(self.array.source, self.array.axes, self.indices)


def too_small(name: str, what: str, wanted: int, got: int) -> InputError:
    """The refusal of an analysis that does not fit the memory."""
    return InputError(
        f"{name}: {what} needs more memory (wanted {wanted:,} bytes; got {got:,}). "
        f"Open the result with {-(-wanted // 2**20)}MiB."
    )
