"""Tensors of a model file, read with every size checked before anything is allocated."""

from __future__ import annotations

import math
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array

LARGEST_TENSOR = 2**30
"""Bytes of one tensor, and of all together."""

_BFLOAT16 = 16
_DTYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8", _BFLOAT16: "<u2"}
_FIELDS = {1: "float_data", 11: "double_data", 7: "int64_data"}
_KEYS = {"location", "offset", "length", "checksum"}


def read_tensors(graph: Any, folder: Path, used: Collection[str] | None = None) -> dict[str, Array]:
    """The initialisers of a graph by name, in the file's order.

    Of those that are not among ``used`` a dense one is left out: it may be of any type, as a classifier's names of
    classes are.

    Raises
    ------
    NetworkError
        If one is there twice or cannot be read, or they are too large together.
    """
    found: dict[str, Array] = {}
    names, total = set[str](), 0
    dense = [(tensor.name, tensor, read_tensor) for tensor in graph.initializer]
    sparse = [(tensor.values.name, tensor, read_sparse) for tensor in graph.sparse_initializer]
    for name, tensor, read in [*dense, *sparse]:
        if name in names:
            raise NetworkError(f"tensor '{name}': is there twice.")
        names.add(name)
        if used is not None and name not in used and read is read_tensor:
            continue
        found[name] = read(tensor, folder)
        total += found[name].nbytes
        if total > LARGEST_TENSOR:
            raise NetworkError(f"the tensors are too large (wanted at most {LARGEST_TENSOR} bytes together).")
    return found


def read_sparse(tensor: Any, folder: Path) -> Array:
    """The values of a SparseTensorProto, with every zero spelled out: a weight like the others."""
    where, shape = f"tensor '{tensor.values.name}'", tuple(int(size) for size in tensor.dims)
    if min(shape, default=1) < 1 or math.prod(shape) * 8 > LARGEST_TENSOR:
        raise NetworkError(f"{where}: impossible shape {shape} (wanted at most {LARGEST_TENSOR} bytes).")
    values, indices = read_tensor(tensor.values, folder), read_tensor(tensor.indices, folder)
    if (
        indices.dtype.kind != "i"
        or values.ndim != 1
        or indices.shape not in ((len(values),), (len(values), len(shape)))
    ):
        raise NetworkError(f"{where}: its indices {indices.shape} do not fit its values {values.shape}.")
    limits = np.array(shape if indices.ndim == 2 else math.prod(shape))
    if (indices < 0).any() or (indices >= limits).any():
        raise NetworkError(f"{where}: an index lies outside its shape {shape}.")
    whole = np.zeros(shape, values.dtype)
    whole[np.unravel_index(indices, shape) if indices.ndim == 1 else tuple(indices.T)] = values
    return whole


def read_tensor(tensor: Any, folder: Path) -> Array:
    """The values of a TensorProto; floating ones widened exactly to float64.

    Raises
    ------
    NetworkError
        If the tensor is of a type that is not supported, its data do not fit its shape, or they are NaN.
    """
    where = f"tensor '{tensor.name}'"
    if tensor.data_type not in _DTYPES:
        raise NetworkError(f"{where}: type {tensor.data_type} is not supported (wanted numbers or bool).")
    shape = tuple(int(size) for size in tensor.dims)
    dtype = np.dtype(_DTYPES[tensor.data_type])
    if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize > LARGEST_TENSOR:
        raise NetworkError(f"{where}: impossible shape {shape} (wanted at most {LARGEST_TENSOR} bytes).")
    n_bytes = math.prod(shape) * dtype.itemsize
    if tensor.data_location == 1:
        data = _external(tensor, folder, n_bytes, where)
        values = np.frombuffer(data, dtype)
    else:
        values = _inside(tensor, dtype, n_bytes, where)
    if tensor.data_type == _BFLOAT16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
        if np.isnan(values).any():  # infinity has its use, in masks
            raise NetworkError(f"{where}: holds NaN. Such a network has no derivatives.")
    return values.reshape(shape)


def _inside(tensor: Any, dtype: np.dtype[Any], n_bytes: int, where: str) -> Array:
    fields = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
    filled = [field for field in fields if len(getattr(tensor, field))]
    if len(filled) > 1:
        raise NetworkError(f"{where}: has values in several fields ({', '.join(filled)}).")
    if n_bytes == 0 and not filled:
        return np.zeros(0, dtype)
    if filled == ["raw_data"]:
        if len(tensor.raw_data) != n_bytes:
            raise NetworkError(f"{where}: wrong amount of data (wanted {n_bytes} bytes; got {len(tensor.raw_data)}).")
        return np.frombuffer(tensor.raw_data, dtype)
    field = _FIELDS.get(tensor.data_type, "int32_data")
    if filled != [field] or len(getattr(tensor, field)) * dtype.itemsize != n_bytes:
        raise NetworkError(f"{where}: its data do not fit its type and shape.")
    numbers = np.asarray(getattr(tensor, field))
    return numbers.astype(np.uint16).view(dtype) if tensor.data_type in (10, _BFLOAT16) else numbers.astype(dtype)


def _external(tensor: Any, folder: Path, n_bytes: int, where: str) -> bytes:
    """Bytes from a plain file in the model's own folder: nothing that could lead elsewhere is followed."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    if not set(entries) <= _KEYS or len(entries) != len(tensor.external_data):
        raise NetworkError(f"{where}: unknown or doubled keys of external data ({', '.join(sorted(entries))}).")
    parts = Path(name).parts
    if not name or "\0" in name or "\\" in name or Path(name).is_absolute() or ".." in parts or ":" in name:
        raise NetworkError(f"{where}: its data lie outside the model's folder ({name!r}). This is refused.")
    path = folder / name
    try:
        inside = path.resolve(strict=True).is_relative_to(folder.resolve())
        linked = any((folder / Path(*parts[: i + 1])).is_symlink() for i in range(len(parts)))
        if not inside or linked or not path.is_file() or path.stat().st_nlink != 1:
            raise NetworkError(f"{where}: its data file {name!r} is a link or not a plain file. This is refused.")
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", n_bytes))
        if offset < 0 or length != n_bytes or offset + length > path.stat().st_size:
            raise NetworkError(
                f"{where}: {name!r} does not hold its data (wanted {n_bytes} bytes from {offset}; "
                f"got {length} in a file of {path.stat().st_size})."
            )
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as file:
            file.seek(offset)
            return file.read(length)
    except (OSError, ValueError) as error:
        if isinstance(error, NetworkError):
            raise
        raise NetworkError(f"{where}: its data file {name!r} cannot be read ({error}).") from error
