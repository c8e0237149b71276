"""Matrices that are larger than the memory, in a Zarr store that lasts as long as somebody needs it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np
import zarr

from jachess.errors import InputError
from jachess.result.source import Source


class _Place:
    """A folder that is removed when nobody holds this object any more, or when the interpreter ends."""

    def __init__(self, where: Path) -> None:
        self.path = tempfile.mkdtemp(prefix="jachess-", dir=where)
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def scratch_matrix(size: int, edge: int, name: str, folder: str | Path | None = None) -> Source:
    """A new matrix (size, size) of float64, of which the half on and above the diagonal will be written.

    Parameters
    ----------
    edge : int
        Rows and columns of a chunk.
    folder : path, optional
        Where there is room for it; the system's folder for temporary files by default.

    Returns
    -------
    Source
        Its files are removed when the last of its users is gone.

    Raises
    ------
    InputError
        If there is no such folder, or the disk is too small.
    """
    where = Path(folder or tempfile.gettempdir())
    if not where.is_dir():
        raise InputError(f"scratch: {where} is no folder. Create it first.")
    wanted, free = 4 * size * (size + 2 * edge), shutil.disk_usage(where).free
    if wanted > free:
        raise InputError(
            f"scratch: the disk of {where} is too small (wanted {wanted:,} bytes; got {free:,} free). "
            "Name another folder: scratch=…"
        )
    place = _Place(where)
    array = zarr.create_array(
        zarr.storage.LocalStore(place.path),
        shape=(size, size),
        chunks=(edge, edge),
        dtype=np.float64,
        compressors=None,
        fill_value=np.nan,
    )
    return Source(array, name, place=place)
