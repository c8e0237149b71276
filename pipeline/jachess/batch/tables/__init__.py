"""Files of rows: any kind of file opens as a table whose rows are read in pieces."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from jachess.batch.storage import is_url, storage_of
from jachess.batch.tables.files import FILES
from jachess.batch.tables.record import Table
from jachess.batch.tables.zarr_arrays import zarr_table
from jachess.errors import InputError, PointsError, words
from jachess.network.graph import Array


def open_table(path: str, key: str | None = None) -> Table:
    """Open a file of rows (.npy, .npz, .csv, .parquet, or a Zarr array).

    Parameters
    ----------
    path : path or URL
    key : str, optional
        Which array of a file with several (.npz, Zarr group).

    Raises
    ------
    PointsError
        If there is no such file, or it cannot be read as numbers.
    """
    try:
        storage = storage_of(path)
        storage.reach()
        if not is_url(path) and not storage.exists():
            raise PointsError(f"{path}: there is no such file.")
        suffix = Path(path).suffix.lower()
        is_file = suffix in FILES and (is_url(path) or Path(path).is_file())
        table = FILES[suffix](storage, key) if is_file else zarr_table(storage, key)
    except PointsError:
        raise
    except InputError as error:
        raise PointsError(str(error)) from error
    except Exception as error:  # whatever the readers of damaged files raise
        raise PointsError(f"{path}: cannot be read as numbers ({type(error).__name__}: {words(error)}).") from error
    if table.dtype.kind not in "biuf":
        raise PointsError(f"{path}: holds no numbers (wanted integers or floating numbers; got {table.dtype}).")
    if not table.shape:
        raise PointsError(f"{path}: holds a single number (wanted one row a point).")
    return replace(table, read=partial(_read, path, table))


def _read(path: str, table: Table, start: int, stop: int) -> Array:
    if start >= stop:
        return np.empty((0, *table.shape[1:]), table.dtype)
    try:
        rows = table.read(start, stop)
    except Exception as error:  # as in `open_table`: damage may show only further down in the file
        raise PointsError(
            f"{path}: rows {start} to {stop} cannot be read ({type(error).__name__}: {words(error)})."
        ) from error
    wanted = (stop - start, *table.shape[1:])
    if rows.shape != wanted:
        raise PointsError(
            f"{path}: rows {start} to {stop} are not all there (wanted shape {wanted}; got {rows.shape})."
        )
    return rows


__all__ = ["Table", "open_table"]
