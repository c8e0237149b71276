"""The kinds of files of rows, each opened from its storage: on a disk, or in a bucket by ranges."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from typing import IO, Any, BinaryIO

import numpy as np

from jachess.batch.storage import Storage
from jachess.batch.storage.folder import Folder
from jachess.batch.tables.record import Pieces, Table
from jachess.errors import PointsError
from jachess.network.graph import Array

_LARGEST_WHOLE = 1 << 32
_LARGEST_PIECE = 1 << 30
_LINES = 4096
_LONGEST_HEADER = 1 << 16
_NPY = b"\x93NUMPY"
_BOM = b"\xef\xbb\xbf"
_LONGEST_LINE = 1 << 26


def _npy(storage: Storage, key: str | None) -> Table:
    with storage.open() as file:
        _check_npy(file, storage)
    if isinstance(storage, Folder):
        return _mapped(storage)
    file = storage.open()
    shape, column_order, dtype = _npy_header(file)
    if column_order and len(shape) > 1:
        raise PointsError(f"{storage}: is stored column by column. Save it in C order, or as a Zarr array.")
    if dtype.hasobject:
        raise PointsError(f"{storage}: holds no numbers (got {dtype}).")
    begin, row = file.tell(), math.prod(shape[1:]) * dtype.itemsize

    def read(start: int, stop: int) -> Array:
        file.seek(begin + start * row)
        return np.frombuffer(file.read((stop - start) * row), dtype).reshape(stop - start, *shape[1:])

    return Table(shape, dtype, read)


def _check_npy(file: IO[bytes], storage: Storage) -> None:
    """Whether a header begins here that can be read: NumPy believes what it says of its length."""
    start = file.read(12)
    length = int.from_bytes(start[8 : 12 if start[6:7] > b"\1" else 10], "little")
    if start[: len(_NPY)] != _NPY or length > _LONGEST_HEADER:
        raise PointsError(f"{storage}: this is no .npy file. Write it with numpy.save.")


def _mapped(storage: Folder) -> Table:
    """Mapped for each read anew: what has been read of a mapped file counts as memory of the process while it is."""

    def array() -> Array:
        return np.asarray(np.load(storage.path, mmap_mode="r", allow_pickle=False))

    return Table(array().shape, array().dtype, lambda start, stop: np.array(array()[start:stop]))


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    one, two = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
    return {(1, 0): one, (2, 0): two, (3, 0): two}[version](file)


def _npz(storage: Storage, key: str | None) -> Table:
    """Read whole."""
    with storage.open() as file, zipfile.ZipFile(file) as archive:
        sizes = {member.filename.removesuffix(".npy"): member.file_size for member in archive.infolist()}
        if key not in sizes and len(sizes) != 1:
            got = ", ".join(sizes) or "none"
            raise PointsError(f"{storage}: wanted an array {key!r}, or a single one (got {got}).")
        name = key if key in sizes else next(iter(sizes))
        if sizes[name] > _LARGEST_WHOLE:
            raise PointsError(f"{storage}: too large for .npz, which is read whole. Store it as .npy.")
        with archive.open(f"{name}.npy") as member:
            _check_npy(member, storage)
        with archive.open(f"{name}.npy") as member:
            shape, _, dtype = _npy_header(member)
            if math.prod(shape) * dtype.itemsize > sizes[name]:
                raise PointsError(f"{storage}: '{name}' does not hold what it should (wanted shape {shape}).")
        with archive.open(f"{name}.npy") as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
    return Table(array.shape, array.dtype, lambda start, stop: array[start:stop], array.nbytes)


def _csv(storage: Storage, key: str | None) -> Table:
    """Numbers with commas between them and perhaps a first line of names; every 4,096th row's place is kept."""
    places, n_rows, n_columns, place = [], 0, 1, 0
    with storage.open() as file:
        for number, line in enumerate(_lines(file, storage)):
            if line.strip() and not (number == 0 and _is_header(line, storage)):
                if n_rows % _LINES == 0:
                    places.append(place)
                    n_columns = line.count(b",") + 1
                n_rows += 1
            place += len(line)

    def read_piece(number: int) -> Array:
        with storage.open() as file:
            file.seek(places[number])
            rows = (line.removeprefix(_BOM) for line in _lines(file, storage) if line.strip())
            return np.loadtxt(islice(rows, _LINES), delimiter=",", comments=None, ndmin=2)

    borders = np.minimum(np.arange(len(places) + 1) * _LINES, n_rows)
    pieces = Pieces(borders, read_piece, _LINES * n_columns * 8)
    if n_rows:
        pieces.read(0, 1)
    return Table((n_rows, n_columns), np.dtype(np.float64), pieces.read, pieces.memory)


def _lines(file: BinaryIO, storage: Storage) -> Iterator[bytes]:
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise PointsError(f"{storage}: a line is too long (wanted less than {_LONGEST_LINE} bytes).")
        yield line


def _is_header(line: bytes, storage: Storage) -> bool:
    """Whether the first line holds names: a row with a number that cannot be read must not pass for them."""
    cells = [_is_number(cell) for cell in line.removeprefix(_BOM).split(b",")]
    if any(cells) and not all(cells):
        raise PointsError(f"{storage}: its first line is neither numbers nor names (got {line.strip()[:60]!r}).")
    return not all(cells)


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parquet(storage: Storage, key: str | None) -> Table:
    """Row group by row group."""
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise PointsError(
            f"{storage}: reading .parquet needs pyarrow. Install it: pip install 'jachess[parquet]'."
        ) from error
    with storage.open() as opened:
        file = parquet.ParquetFile(opened)
        metadata = file.metadata
    columns = file.schema_arrow.empty_table().columns
    if not columns:
        raise PointsError(f"{storage}: has no columns.")
    dtype = np.result_type(*[np.asarray(column).dtype for column in columns])
    counts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    largest = max(counts, default=0) * len(columns) * dtype.itemsize
    if min(counts, default=0) < 0 or largest > _LARGEST_PIECE:
        raise PointsError(
            f"{storage}: its row groups are too large (wanted at most {_LARGEST_PIECE} bytes; got {largest}). "
            "Write it with fewer rows in each."
        )

    def read_piece(number: int) -> Array:
        with storage.open() as opened:
            part = parquet.ParquetFile(opened, metadata=metadata).read_row_group(number)
        return np.column_stack([np.asarray(part.column(i)) for i in range(part.num_columns)])

    pieces = Pieces(np.cumsum([0, *counts]), read_piece, largest, largest)
    return Table((sum(counts), len(columns)), dtype, pieces.read, pieces.memory)


FILES: dict[str, Callable[[Storage, str | None], Table]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".csv": _csv,
    ".parquet": _parquet,
}
