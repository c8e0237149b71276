"""The parts of a .keras file: a zip archive with the configuration as JSON and the variables as HDF5.

Keras stores both uncompressed; what is compressed could unfold to any size, and is refused. So is every way in which
HDF5 leads to other files: links, external storage and virtual data sets.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jachess.errors import NetworkError, words
from jachess.network.graph import Array
from jachess.network.sources.extra import needs
from jachess.network.sources.tensors import LARGEST_TOGETHER
from jachess.network.sources.written import LONGEST, parsed

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_LIMITS = {_CONFIG: LONGEST, _WEIGHTS: 2 * LARGEST_TOGETHER}

_BROKEN = (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What h5py raises when a file is damaged."""


def opened(path: Path) -> tuple[dict[str, Any], Any]:
    """The configuration, and the root of the variables.

    Raises
    ------
    NetworkError
        If the file is missing, damaged or hostile, or h5py is not installed.
    """
    h5py = needs("h5py", "keras", str(path))
    if not path.is_file():
        raise NetworkError(f"{path}: there is no such file. Give the path of a network.")
    try:
        with zipfile.ZipFile(path) as archive:
            config, variables = (_member(archive, name) for name in (_CONFIG, _WEIGHTS))
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        if isinstance(error, NetworkError):
            raise
        raise NetworkError(f"{path}: this is no .keras file ({words(error)}).") from error
    try:
        root = h5py.File(io.BytesIO(variables), "r")
    except _BROKEN as error:
        raise NetworkError(f"{path}: its variables are no HDF5 ({words(error)[:200]}).") from error
    return parsed(config, _CONFIG), root


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    found = [info for info in archive.infolist() if info.filename == name]
    if len(found) != 1:
        raise NetworkError(f"wanted one '{name}' in the archive (got {len(found)}). Save the model as .keras again.")
    if found[0].compress_type != zipfile.ZIP_STORED or found[0].file_size != found[0].compress_size:
        raise NetworkError(f"'{name}' is compressed, which Keras never does. Save the model again.")
    if found[0].file_size > _LIMITS[name]:
        raise NetworkError(f"'{name}' is too large (wanted at most {_LIMITS[name]} bytes).")
    with archive.open(found[0]) as file:
        return file.read(_LIMITS[name] + 1)


def variables(root: Any, place: Sequence[str], names: Sequence[str]) -> dict[str, Array]:
    """The variables in one group, by these names.

    Raises
    ------
    NetworkError
        If they are not there, are more or fewer, or are not plainly stored.
    """
    where = "/".join(place)
    try:
        group = _followed(root, [*place, "vars"])
        if len(group) != len(names):
            raise NetworkError(f"variables '{where}': wanted {', '.join(names) or 'none'} (got {len(group)}).")
        return {name: _plain(_followed(group, [str(i)]), where) for i, name in enumerate(names)}
    except _BROKEN as error:
        if isinstance(error, NetworkError):
            raise
        raise NetworkError(f"variables '{where}': cannot be read ({words(error)[:200]}).") from error


def _followed(group: Any, place: Sequence[str]) -> Any:
    """What lies there; no link but HDF5's own inside the file is followed."""
    for name in place:
        link = group.get(name, getlink=True)
        if type(link).__name__ != "HardLink":
            raise NetworkError(f"variables '{'/'.join(place)}': are missing, or a link to elsewhere.")
        group = group[name]
    return group


def _plain(dataset: Any, where: str) -> Array:
    if dataset.external or dataset.is_virtual or dataset.chunks is not None or dataset.dtype.kind not in "fiub":
        raise NetworkError(f"variables '{where}': are not plainly stored numbers. Save the model again.")
    if math.prod(dataset.shape) * dataset.dtype.itemsize > LARGEST_TOGETHER:
        raise NetworkError(f"variables '{where}': are too large (wanted at most {LARGEST_TOGETHER} bytes).")
    return np.asarray(dataset[()])
