"""Points in Zarr arrays of any chunking, and in files in a bucket: the same rows, and no chunk is read too often."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from jachess.batch.storage import storage_of
from jachess.batch.tables import open_table, zarr_arrays
from jachess.errors import PointsError
from tests.conftest import longer
from tests.object_store import ObjectStore

NUMBERS = np.random.default_rng(0).normal(size=(1000, 7))

ARRAYS: dict[str, dict[str, Any]] = {
    "one chunk": {"chunks": (1000, 7)},
    "a chunk a point": {"chunks": (1, 7)},
    "chunks along inputs": {"chunks": (300, 2)},
    "columns": {"chunks": (1000, 1)},
    "single numbers": {"chunks": (100, 1)},
    "shards": {"chunks": (50, 7), "shards": (200, 7)},
    "shards of columns": {"chunks": (25, 1), "shards": (100, 7)},
    "zstd in shards": {"chunks": (50, 7), "shards": (200, 7), "compressors": [ZstdCodec()]},
    "zstd": {"chunks": (90, 4), "compressors": [ZstdCodec(checksum=True)]},
    "blosc": {"chunks": (90, 4), "compressors": [BloscCodec()]},
    "gzip and a checksum": {"chunks": (90, 4), "compressors": [GzipCodec(), Crc32cCodec()]},
    "format 2": {"chunks": (90, 4), "zarr_format": 2},
    "big end first": {"chunks": (90, 4), "dtype": ">f8", "zarr_format": 2, "compressors": None},
    "transposed": {"chunks": (90, 4), "filters": [zarr.codecs.TransposeCodec(order=(1, 0))]},
}


def write(place: Any, **keys: Any) -> None:
    array = zarr.create_array(place, shape=NUMBERS.shape, **{"dtype": "float64", "compressors": None, **keys})
    array[:] = NUMBERS


@pytest.mark.parametrize("keys", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("small", [False, True], ids=["in whole pieces", "in parts of pieces"])
def test_any_chunking_gives_the_same_rows(
    tmp_path: Path, keys: dict[str, Any], small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if small:
        monkeypatch.setattr(zarr_arrays, "PIECE", 64)
        monkeypatch.setattr(zarr_arrays, "LARGEST_PIECE", 37 * 7 * 8)
    write(str(tmp_path / "a.zarr"), **keys)
    table = open_table(str(tmp_path / "a.zarr"))
    for start, stop in [(0, 1000), (0, 1), (999, 1000), (31, 450), (5, 5), (640, 641), (1000, 1000)]:
        np.testing.assert_array_equal(table.read(start, stop), NUMBERS[start:stop])


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_rows_in_pieces_are_the_rows(data: st.DataObject) -> None:
    array = zarr.create_array(
        {}, shape=NUMBERS.shape, dtype="float64", chunks=(data.draw(st.integers(1, 1100)), data.draw(st.integers(1, 7)))
    )
    array[:] = NUMBERS
    pieces = zarr_arrays.zarr_pieces(array)
    for _ in range(5):
        start = data.draw(st.integers(0, 999))
        stop = data.draw(st.integers(start + 1, 1000))
        np.testing.assert_array_equal(pieces.read(start, stop), NUMBERS[start:stop])


@pytest.mark.parametrize(
    "name", ["chunks along inputs", "one chunk", *longer(["a chunk a point"]), "shards", "format 2"]
)
def test_no_chunk_is_fetched_once_for_each_point(server: ObjectStore, name: str) -> None:
    url = f"s3://bucket/points/{name.replace(' ', '-')}.zarr"
    write(storage_of(url).zarr(), **ARRAYS[name])
    table = open_table(url)
    before = server.faults.requests["GET"]
    for start in range(0, 1000, 10):
        table.read(start, start + 10)
    fetched = server.faults.requests["GET"] - before
    n_chunks = len([key for key, _ in storage_of(url).sizes("") if key.rpartition("/")[2][0].isdigit()])
    assert fetched <= n_chunks * (1 if name != "shards" else 3)


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, NUMBERS)
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, x=NUMBERS, u=NUMBERS[:, :1])
    return file.getvalue()


def csv() -> bytes:
    file = io.BytesIO()
    np.savetxt(file, NUMBERS, delimiter=",", fmt="%.17g", header="a,b,c,d,e,f,g", comments="")
    return file.getvalue()


def parquet() -> bytes:
    file = io.BytesIO()
    table = pyarrow.table({f"c{i}": column for i, column in enumerate(NUMBERS.T)})
    pyarrow.parquet.write_table(table, file, row_group_size=170)
    return file.getvalue()


@pytest.mark.parametrize("kind", [npy, npz, csv, parquet], ids=lambda kind: kind.__name__)
def test_files_in_a_bucket_give_the_same_rows(server: ObjectStore, kind: Any) -> None:
    url = f"s3://bucket/points/{kind.__name__}.{kind.__name__}"
    storage_of(url).zarr().store.store.put(f"points/{kind.__name__}.{kind.__name__}", kind())
    with server.faults.failing(0.1):
        table = open_table(url, "x")
        for start, stop in [(0, 1000), (0, 1), (999, 1000), (31, 450), (5, 5)]:
            np.testing.assert_array_equal(table.read(start, stop), NUMBERS[start:stop])


def test_what_is_not_in_a_bucket(server: ObjectStore) -> None:
    with pytest.raises(PointsError, match="there is no such file"):
        open_table("s3://bucket/points/absent.npy")
    with pytest.raises(PointsError, match="not a file of points"):
        open_table("s3://bucket/points/absent.zarr")
