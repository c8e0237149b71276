"""Files of points and targets: all kinds, damaged and odd."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from hypothesis import strategies as st
from numpy.lib import format as npy
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from jachess.batch.tables import open_table
from tests.fuzz.mutations import NUMBERS, TEXTS, mutated

FILES: list[tuple[str, bytes]] = []
"""Good files, by their endings."""
FOLDERS: list[dict[str, bytes]] = []
"""Good Zarr arrays and groups."""
DTYPES = [
    "<f8",
    ">f4",
    "|O",
    "<U3",
    "|V8",
    "<c16",
    "<M8[s]",
    "|b1",
    "<f2",
    "<i8",
    "|S0",
    "|V0",
    "<f16",
    "[('a', '<f8')]",
]
HEADER = "{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def prepare(folder: Path) -> None:
    """Write good files of all kinds."""
    folder.mkdir()
    array = np.random.default_rng(0).normal(size=(9, 4))
    for version in ((1, 0), (2, 0), (3, 0)):
        FILES.append((".npy", _npy(array, version)))
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, x=array, targets=np.arange(9))
        FILES.append((".npz", file.getvalue()))
    FILES.append((".csv", "\n".join(",".join(map(str, row)) for row in [["a", "b", "c", "d"], *array]).encode()))
    FILES.append((".csv", "\r\n".join(",".join(map(str, row)) for row in array).encode()))
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        pass
    else:
        parquet.write_table(pyarrow.table({"a": array[:, 0], "b": array[:, 1]}), folder / "a.parquet")
        FILES.append((".parquet", (folder / "a.parquet").read_bytes()))
    for number, codec in enumerate([None, BloscCodec(), GzipCodec(), ZstdCodec(), Crc32cCodec()]):
        made = zarr.create_array(folder / f"{number}", shape=(9, 4), chunks=(4, 4), dtype="f8",
                                 compressors=codec and [codec])  # fmt: skip
        made[:] = array
    zarr.create_array(folder / "sharded", shape=(9, 4), chunks=(2, 2), shards=(4, 4), dtype="f8")[:] = array
    zarr.create_array(folder / "old", shape=(9, 4), chunks=(4, 4), dtype="f8", zarr_format=2)[:] = array
    group = zarr.create_group(folder / "group")
    for name in ("x", "targets"):
        group.create_array(name, shape=(9, 4), chunks=(4, 4), dtype="f8")[:] = array
    for place in (*"01234", "sharded", "old", "group"):
        files = {str(file.relative_to(folder / place)): file for file in (folder / place).rglob("*") if file.is_file()}
        FOLDERS.append({name: file.read_bytes() for name, file in sorted(files.items())})
    shutil.rmtree(folder)


def _npy(array: Any, version: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    npy.write_array(file, array, version)
    return file.getvalue()


@st.composite
def _headers(draw: st.DrawFn) -> tuple[str, bytes]:
    """A .npy or .npz whose header promises something else than there is."""
    numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(0, 20))
    shape = draw(st.one_of(st.lists(numbers, max_size=4).map(lambda sizes: repr(tuple(sizes))), st.sampled_from(TEXTS)))
    descr = draw(st.sampled_from(DTYPES))
    text = HEADER.format(descr=descr if descr[0] == "[" else repr(descr), order=draw(st.booleans()), shape=shape)
    text = draw(st.sampled_from([text, "(" * 200, "x" * 70_000, "{'descr': __import__('os').abort()}"]))
    header = text.encode() + b"\n"
    data = npy.MAGIC_PREFIX + bytes([2, 0]) + len(header).to_bytes(4, "little") + header + draw(st.binary(max_size=400))
    if draw(st.booleans()):
        return ".npy", data
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", data)
        archive.writestr(draw(st.sampled_from(["y.npy", "../x.npy", "x.npy.npy", "x", "/x.npy"])), data)
    return ".npz", file.getvalue()


@st.composite
def _lines(draw: st.DrawFn) -> tuple[str, bytes]:
    cells = st.one_of(st.floats().map(repr), st.sampled_from([*TEXTS, *map(str, NUMBERS), '"1"', " 1 ", "1_0", "0x1"]))
    line = st.lists(cells, min_size=1, max_size=4).map(",".join)
    ends = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    text = ends.join(draw(st.lists(line, max_size=6)))
    return ".csv", text.encode(draw(st.sampled_from(["utf-8", "utf-16"])))


@st.composite
def _stores(draw: st.DrawFn) -> tuple[str, dict[str, bytes]]:
    files = dict(FOLDERS[draw(st.integers(0, len(FOLDERS) - 1))])
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(files)))
        match draw(st.sampled_from(["change", "number", "remove", "swap"])):
            case "change":
                files[name] = draw(mutated(files[name]))
            case "number":
                new = str(draw(st.sampled_from(NUMBERS))).encode()
                parts = files[name].split(draw(st.sampled_from([b"9", b"4", b"2"])), 1)
                files[name] = new.join(parts)
            case "remove" if len(files) > 1:
                del files[name]
            case "swap":
                files[name] = files[draw(st.sampled_from(sorted(files)))]
    return ".zarr", files


def examples() -> st.SearchStrategy[tuple[str, Any]]:
    """(ending, contents of the file or of the files in the folder)."""
    files = st.integers(0, len(FILES) - 1).map(lambda number: FILES[number])
    damaged = files.flatmap(lambda file: mutated(file[1]).map(lambda data: (file[0], data)))
    return st.one_of(damaged, damaged, _headers(), _lines(), _stores())


def read(folder: Path, example: tuple[str, Any]) -> None:
    """All rows, as points and as targets."""
    ending, content = example
    path = folder / f"points{ending}"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        for name, data in content.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    table = open_table(str(path), "x")
    if np.prod(table.shape[1:], dtype=float) > 1e6:
        return  # nobody reads a row before its width is compared with the network's
    for start in range(0, min(table.shape[0], 40), 7):
        stop = min(start + 7, table.shape[0])
        rows = table.read(start, stop)
        assert rows.shape == (stop - start, *table.shape[1:])
        assert rows.dtype.kind in "biuf"
