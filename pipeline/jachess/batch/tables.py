"""Files of rows: any kind of file opens as a table whose rows are read in pieces."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jachess.batch.zarr_source import open_zarr_array
from jachess.errors import PointsError

Array = NDArray[Any]
_INDEX_EVERY = 4096


@dataclass(frozen=True)
class Table:
    """An array whose first axis is read in pieces: `read(start, stop)` gives rows (stop - start, …)."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[int, int], Array]


def open_table(path: str, key: str | None = None) -> Table:
    """Open a file of rows (.npy, .npz, .csv, .parquet, or a Zarr array).

    Parameters
    ----------
    key : str, optional
        Which array of a file with several (.npz, Zarr group).

    Raises
    ------
    PointsError
        If there is no such file, or it cannot be read as numbers.
    """
    suffix = Path(path).suffix.lower()
    kinds = {".npy": _npy, ".npz": _npz, ".csv": _csv, ".parquet": _parquet}
    if "://" not in path and not Path(path).exists():
        raise PointsError(f"{path}: there is no such file.")
    try:
        if suffix in kinds and "://" not in path and Path(path).is_file():
            table = kinds[suffix](path, key)
        else:
            array = open_zarr_array(path, key)
            table = Table(tuple(array.shape), np.dtype(array.dtype), lambda start, stop: np.asarray(array[start:stop]))
    except PointsError:
        raise
    except Exception as error:  # whatever the readers of damaged files raise
        raise PointsError(f"{path}: cannot be read as numbers ({type(error).__name__}: {error}).") from error
    if table.dtype.kind not in "biuf":
        raise PointsError(f"{path}: holds no numbers (wanted integers or floating numbers; got {table.dtype}).")
    if not table.shape:
        raise PointsError(f"{path}: holds a single number (wanted one row a point).")
    return replace(table, read=partial(_read, path, table.read))


def _read(path: str, read: Callable[[int, int], Array], start: int, stop: int) -> Array:
    try:
        return read(start, stop)
    except Exception as error:  # as in `open_table`: damage may show only further down in the file
        raise PointsError(
            f"{path}: rows {start} to {stop} cannot be read ({type(error).__name__}: {error})."
        ) from error


def _npy(path: str, key: str | None) -> Table:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return _of(array)


def _of(array: Array) -> Table:
    return Table(array.shape, array.dtype, lambda start, stop: np.asarray(array[start:stop]))


def _npz(path: str, key: str | None) -> Table:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > 1 << 32:
        raise PointsError(f"{path}: too large for .npz, which is read whole (got {size} bytes). Store it as .npy.")
    with np.load(path, allow_pickle=False) as arrays:
        names = list(arrays.files)
        if key not in names and len(names) != 1:
            raise PointsError(f"{path}: holds several arrays (wanted {key!r}; got {', '.join(names)}).")
        return _of(arrays[key if key in names else names[0]])


def _csv(path: str, key: str | None) -> Table:
    """Numbers with commas between them and perhaps a first line of names; every 4,096th line's place is kept."""
    offsets, n_rows, n_columns, position, header = [], 0, 0, 0, False
    with Path(path).open("rb") as file:
        for number, line in enumerate(file):
            if number == 0:
                n_columns = line.count(b",") + 1
                header = not _is_number(line.split(b",")[0])
            if line.strip() and not (number == 0 and header):
                if n_rows % _INDEX_EVERY == 0:
                    offsets.append(position)
                n_rows += 1
            position += len(line)

    def read(start: int, stop: int) -> Array:
        if stop <= start:
            return np.zeros((0, n_columns))
        block = start // _INDEX_EVERY
        with Path(path).open("rb") as file:
            file.seek(offsets[block])
            return np.loadtxt(
                file, delimiter=",", skiprows=start - block * _INDEX_EVERY, max_rows=stop - start, ndmin=2
            )

    columns = n_columns if n_columns > 1 else 1
    read(0, min(n_rows, 1))
    return Table((n_rows, columns), np.dtype(np.float64), read)


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parquet(path: str, key: str | None) -> Table:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise PointsError(
            f"{path}: reading .parquet needs pyarrow. Install it: pip install 'jachess[parquet]'."
        ) from error
    file = parquet.ParquetFile(path)
    counts = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    ends = np.cumsum([0, *counts])

    def read(start: int, stop: int) -> Array:
        groups = [i for i in range(len(counts)) if ends[i] < stop and ends[i + 1] > start]
        if not groups:
            return np.zeros((0, file.metadata.num_columns))
        part = file.read_row_groups(groups)
        rows = np.column_stack([np.asarray(part.column(i)) for i in range(part.num_columns)])
        return rows[start - ends[groups[0]] : stop - ends[groups[0]]]

    dtype = np.result_type(*[np.asarray(column).dtype for column in file.schema_arrow.empty_table().columns])
    return Table((int(ends[-1]), file.metadata.num_columns), dtype, read)
