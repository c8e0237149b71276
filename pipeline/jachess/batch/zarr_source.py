"""Points that lie in a Zarr array."""

from __future__ import annotations

from typing import Any

import zarr

from jachess.errors import PointsError


def open_zarr_array(path: str, key: str | None) -> Any:
    """A Zarr array at a path or URL, or the array ``key`` of a Zarr group there (or its only one).

    Raises
    ------
    PointsError
        If there is none.
    """
    try:
        node = zarr.open(path, mode="r")
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise PointsError(
            f"{path}: not a file of points (wanted .npy, .npz, .csv, .parquet or a Zarr array)."
        ) from error
    if isinstance(node, zarr.Array):
        return node
    names = sorted(name for name, _ in node.arrays())
    if key not in names and len(names) != 1:
        raise PointsError(f"{path}: holds several arrays (wanted {key!r}; got {', '.join(names) or 'none'}).")
    return node[key if key in names else names[0]]
