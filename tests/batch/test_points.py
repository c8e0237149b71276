"""Points and targets from any kind of file: the same numbers, read in pieces; what is wrong is said, all of it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import zarr

from jachess.batch.job import job_of
from jachess.batch.points import open_points
from jachess.batch.tables import Table, open_table
from jachess.errors import PointsError
from jachess.network.graph import Array
from jachess.network.head import error_head
from tests.networks import CASES

NUMBERS = np.random.default_rng(0).normal(size=(10_000, 3))


def npy(path: Path, array: Array) -> Path:
    np.save(path / "a.npy", array)
    return path / "a.npy"


def npz(path: Path, array: Array) -> Path:
    np.savez(path / "a.npz", x=array)
    return path / "a.npz"


def csv(path: Path, array: Array) -> Path:
    np.savetxt(path / "a.csv", array, delimiter=",", fmt="%.17g")
    return path / "a.csv"


def csv_with_names(path: Path, array: Array) -> Path:
    np.savetxt(path / "b.csv", array, delimiter=",", fmt="%.17g", header="one,two,three", comments="")
    return path / "b.csv"


def parquet(path: Path, array: Array) -> Path:
    columns = {f"c{i}": column for i, column in enumerate(array.T)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path / "a.parquet", row_group_size=700)
    return path / "a.parquet"


def zarr_array(path: Path, array: Array) -> Path:
    zarr.save_array(str(path / "a.zarr"), array)
    return path / "a.zarr"


def zarr_group(path: Path, array: Array) -> Path:
    zarr.save_group(str(path / "b.zarr"), x=array)
    return path / "b.zarr"


KINDS = [npy, npz, csv, csv_with_names, parquet, zarr_array, zarr_group]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Table:
    return open_table(str(request.param(tmp_path_factory.mktemp("points"), NUMBERS)), "x")


@pytest.mark.parametrize(("start", "stop"), [(0, 10_000), (0, 1), (4095, 4097), (8191, 9999), (690, 710), (5, 5)])
def test_any_kind_of_file_gives_the_same_rows(table: Table, start: int, stop: int) -> None:
    assert table.shape == (10_000, 3)
    np.testing.assert_array_equal(table.read(start, stop), NUMBERS[start:stop])


def promising(n_rows: int) -> bytes:
    """An .npz whose header says more than there is."""
    file, header = io.BytesIO(), f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({n_rows}, 4), }}\n".encode()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(80))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", b"", "no .npy file"),
        ("a.npy", b"\x93NUMPY\x01\x00garbage", "cannot be read"),
        ("a.npy", b"\x93NUMPY\x03\x00\x00\x00\x00\x80{}", "no .npy file"),
        ("a.npy", b"\x80\x04K\x01.", "no .npy file"),
        ("a.csv", b"1,2,3\n1;2;3\n", "number of columns changed"),
        ("a.csv", b"l,2,3\n1,2,3\n", "neither numbers nor names"),
        ("a.csv", b"1,2,3,\n", "neither numbers nor names"),
        ("a.npz", b"PK garbage", "cannot be read"),
        ("a.npz", promising(2**31), "does not hold what it should"),
        ("a.csv", b"1,2,3\n1,2\n", "cannot be read"),
        ("a.csv", b"one,two\nthree,four\n", "cannot be read"),
        ("a.parquet", b"PAR1garbage", "cannot be read"),
        ("a.txt", b"1 2 3", "not a file of points"),
        ("absent.npy", None, "there is no such file"),
        ("absent.zarr", None, "there is no such file"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PointsError, match=message):
        open_table(str(tmp_path / name)).read(0, 2)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("header", [b"", b"one,two,three\r\n"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_lines_of_csv_end_as_they_like(tmp_path: Path, mark: bytes, header: bytes, end: bytes) -> None:
    lines = [",".join(map(repr, row)).encode() for row in NUMBERS[:5000].tolist()]
    (tmp_path / "a.csv").write_bytes(mark + header + end.join(lines) + end)
    table = open_table(str(tmp_path / "a.csv"))
    assert table.shape == (5000, 3)
    for start, stop in ((0, 1), (3, 9), (4090, 4100), (4999, 5000)):
        np.testing.assert_array_equal(table.read(start, stop), NUMBERS[start:stop])


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(PointsError, match="cannot be read as numbers"):
        open_table(str(tmp_path / "a.npy"))
    np.save(tmp_path / "b.npy", np.array(["a", "b"]))
    with pytest.raises(PointsError, match="holds no numbers"):
        open_table(str(tmp_path / "b.npy"))


def test_all_problems_at_once(tmp_path: Path) -> None:
    case = CASES[0]
    np.save(tmp_path / "x.npy", np.full((4, 5), np.inf))
    np.save(tmp_path / "t.npy", np.zeros(3))
    job = job_of(
        {"network": "n", "points": str(tmp_path / "x.npy"), "targets": str(tmp_path / "t.npy"), "compute": ["gradient"],
         "error": case.error, "out": "o"}
    )  # fmt: skip
    with pytest.raises(PointsError) as refused:
        open_points(job, case.network, error_head(case.network, case.error))
    assert "point 0 holds NaN or infinity" in str(refused.value)
    assert "wanted 4, one a point; got 3" in str(refused.value)


def test_fingerprints_tell_numbers_apart_not_files(tmp_path: Path) -> None:
    def fingerprint(path: Path) -> object:
        job = job_of({"network": "n", "points": str(path), "compute": ["jacobian"], "out": "o"})
        return open_points(job, CASES[0].network, None).fingerprint()

    five = np.random.default_rng(1).normal(size=(50, 5))
    first = fingerprint(npy(tmp_path, five))
    assert first == fingerprint(npz(tmp_path, five)) == fingerprint(zarr_array(tmp_path, five))
    five[49, 4] = np.nextafter(five[49, 4], 1)
    assert first != fingerprint(npy(tmp_path, five))
