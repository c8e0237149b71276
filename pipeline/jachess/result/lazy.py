"""Arrays of a result as lazy dask.array and xarray, for graphs and notebooks of one's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.axes import Axis
from jachess.result.source import Source, compact

if TYPE_CHECKING:
    from jachess.batch.store import Store

PIECE = 1 << 26
"""Bytes of a piece of a lazy array, where its chunks are smaller: a large graph is slower than large pieces."""


def dask_part(source: Source, indices: Sequence[Array] | None = None) -> Any:
    """A stored array, or the part of it at these indices along each axis, as a lazy dask.array."""
    import dask.array as da

    pieces = tuple(
        tuple(min(step, length - start) for start in range(0, length, step))
        for step, length in zip(_steps(source), source.shape, strict=True)
    )
    whole = da.map_blocks(
        partial(_read_piece, source), dtype=source.dtype, chunks=pieces, meta=np.empty((0,) * len(pieces), source.dtype)
    )
    for axis, which in enumerate(indices or ()):
        if len(which) < source.shape[axis] or (np.diff(which) != 1).any():
            whole = whole[(slice(None),) * axis + (compact(which),)]
    return whole


def _steps(source: Source) -> list[int]:
    """Edges of the pieces: whole chunks, the last axes first."""
    steps, room = list(source.chunks), PIECE // (math.prod(source.chunks) * source.dtype.itemsize)
    for axis in reversed(range(len(steps))):
        times = max(1, min(room, -(-source.shape[axis] // steps[axis])))
        steps[axis] *= times
        room //= times
    return steps


def _read_piece(source: Source, block_info: Any = None) -> Array:
    return source.read([slice(start, stop) for start, stop in block_info[None]["array-location"]])


def labelled_part(source: Source, axes: Sequence[Axis], indices: Sequence[Array]) -> Any:
    """A part of an array as a lazy xarray.DataArray: weights with their tensor, unit and input, others numbered.

    Raises
    ------
    InputError
        If xarray is not installed.
    """
    coordinates: dict[str, Any] = {}
    for axis, which in zip(axes, indices, strict=True):
        if axis.of_weights:
            side = axis.name[-1]
            coordinates |= {f"{n}_{side}": (axis.name, axis.label(n)[which]) for n in ("layer", "unit", "input")}
        else:
            coordinates[axis.name] = which
    dimensions = [axis.name for axis in axes]
    return _xarray().DataArray(dask_part(source, indices), coordinates, dimensions, source.name)


def dataset(store: Store, symmetric: Sequence[Source]) -> Any:
    """All arrays of a store as an xarray.Dataset that reads them when they are needed.

    Parameters
    ----------
    symmetric : sequence of Source
        Arrays stored as their upper half, which are mirrored.

    Raises
    ------
    InputError
        If xarray is not installed.
    """
    place = store.storage.zarr()
    found = _xarray().open_zarr(place.store, group=place.path or None, consolidated=False, chunks=None)
    for source in symmetric:
        whole = found[source.name]
        found[source.name] = (whole.dims, dask_part(source), {**whole.attrs, "triangle": "both"})
    return found


def _xarray() -> Any:
    try:
        import xarray
    except ImportError as error:
        raise InputError("to_xarray: needs xarray. Install it: pip install 'jachess[xarray]'.") from error
    return xarray
