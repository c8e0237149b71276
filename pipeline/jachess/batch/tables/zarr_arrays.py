"""Points that lie in a Zarr array of any chunking."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import zarr

from jachess.batch.storage import Storage
from jachess.batch.tables.bounded_codecs import bounded
from jachess.batch.tables.record import Pieces, Table
from jachess.errors import PointsError, StoreError

PIECE = 4 * 2**20
"""Bytes of the rows that are read at once, at least, where chunks are small."""
LARGEST_PIECE = 64 * 2**20
"""Bytes of the rows that are read at once, at most: where chunks hold more rows, they are read again and again."""
LARGEST_CHUNK = 2**30
_LARGEST = 2**47
"""Bytes of a whole array: a few metadata can promise any number of rows."""
_IN_FLIGHT = 10
"""Chunks that Zarr decodes at a time."""


def open_zarr_array(storage: Storage, key: str | None) -> Any:
    """A Zarr array, or the array ``key`` of a Zarr group (or its only one), safe to read from.

    Raises
    ------
    PointsError
        If there is none, or its chunks are too large.
    """
    try:
        node: Any = zarr.open(storage.zarr(), mode="r")
    except StoreError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise PointsError(
            f"{storage}: not a file of points (wanted .npy, .npz, .csv, .parquet or a Zarr array)."
        ) from error
    if not isinstance(node, zarr.Array):
        names = sorted(name for name, _ in node.arrays())
        if key not in names and len(names) != 1:
            got = ", ".join(names) or "none"
            raise PointsError(f"{storage}: wanted an array {key!r}, or a single one (got {got}).")
        node = node[key if key in names else names[0]]
    chunk = math.prod(node.shards or node.chunks) * node.dtype.itemsize
    if chunk > LARGEST_CHUNK:
        raise PointsError(
            f"{storage}: its chunks are too large (wanted at most {LARGEST_CHUNK} bytes; got {chunk}). Store it in "
            "smaller ones."
        )
    return bounded(node)


def zarr_table(storage: Storage, key: str | None) -> Table:
    """A Zarr array as a table."""
    array = open_zarr_array(storage, key)
    if not array.ndim:
        return Table((), array.dtype, lambda start, stop: np.asarray(array[()]))
    if math.prod(array.shape) * array.dtype.itemsize > _LARGEST:
        raise PointsError(f"{storage}: is too large (wanted at most {_LARGEST} bytes; got shape {array.shape}).")
    pieces = zarr_pieces(array)
    return Table(tuple(array.shape), array.dtype, pieces.read, pieces.memory)


def zarr_pieces(array: Any) -> Pieces:
    """The rows of an array in pieces of whole chunks, so that each chunk is read once for all of its rows.

    Where the chunks that hold the same rows are too large together, a piece is a part of their rows.
    """
    n_rows, row = array.shape[0], max(1, math.prod(array.shape[1:]) * array.dtype.itemsize)
    rows, chunk = array.chunks[0], math.prod(array.chunks) * array.dtype.itemsize
    if rows * row < PIECE:
        rows *= PIECE // (rows * row)
    elif rows * row > LARGEST_PIECE:
        rows = max(1, LARGEST_PIECE // row)
    in_flight = min(_IN_FLIGHT, math.prod(-(-n // c) for n, c in zip(array.shape[1:], array.chunks[1:], strict=True)))
    shard = math.prod(array.shards or (0,)) * array.dtype.itemsize
    starts = np.arange(0, n_rows, rows)
    return Pieces(
        np.append(starts, n_rows),
        lambda number: np.asarray(array[int(starts[number]) : int(starts[number]) + rows]),
        min(rows, n_rows) * row,
        2 * in_flight * chunk + shard,
    )
