"""What the functions of a network and arrays are given: points, targets, types and ranges, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from jachess.backprop.propagation import Chunks, Points, n_values
from jachess.errors import InputError, PointsError
from jachess.network.graph import Array, Network
from jachess.network.head import Head, error_head

FLOAT64 = np.dtype(np.float64)
POINTS_AT_ONCE = 512
"""Points of one chunk: few enough that their values stay in cache, enough for fast matrix products; …"""
VALUES = 1 << 16
"""… more, if all their values are no more than these: of a tiny network, calls would take longer than arithmetic."""


def fit_points(net: Network, points: ArrayLike | Sequence[ArrayLike]) -> Points:
    """The points as one array (N, *shape) for each input of the network.

    Raises
    ------
    PointsError
        If they do not fit.
    """
    given = list(points) if isinstance(points, list | tuple) and len(net.inputs) > 1 else [points]
    if len(given) != len(net.inputs):
        names = ", ".join(i.name for i in net.inputs)
        raise PointsError(f"points: one array is needed for each input (wanted {names}; got {len(given)} arrays).")
    arrays = []
    for which, thing in zip(net.inputs, given, strict=True):
        array = array_of(thing, "points")
        dtype = np.float64 if which.dtype.startswith("float") else np.dtype(which.dtype)
        if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and np.dtype(dtype).kind != "f"):
            raise PointsError(f"points: input '{which.name}' holds {which.dtype} (got {array.dtype}).")
        if array.ndim == 0 or array.size != len(array) * int(np.prod(which.shape)):
            raise PointsError(
                f"points: input '{which.name}' has the wrong shape (wanted (N, {', '.join(map(str, which.shape))}); "
                f"got {array.shape})."
            )
        if not np.isfinite(array).all():
            raise PointsError(f"points: input '{which.name}' holds NaN or infinity. Remove those points.")
        arrays.append(np.ascontiguousarray(array, dtype=dtype).reshape(-1, *which.shape))
    if len({len(array) for array in arrays}) != 1 or not len(arrays[0]):
        counts = ", ".join(str(len(array)) for array in arrays)
        raise PointsError(f"points: every input needs the same number of points, at least one (got {counts}).")
    return tuple(arrays)


def prepare(
    net: Network,
    points: ArrayLike | Sequence[ArrayLike],
    targets: ArrayLike,
    error: str,
    dtype: np.dtype[Any] = FLOAT64,
    *,
    outer_product: bool = False,
) -> tuple[Head, Chunks]:
    """Head and chunks of points, for an error function of these points and targets.

    Raises
    ------
    PointsError, JobError
        If points or targets do not fit the network or the error function.
    """
    head = replace(error_head(net.astype(dtype), error), outer_product=outer_product)
    arrays, t = fit_points(net, points), array_of(targets, "targets")
    if t.ndim == 0 or len(t) != len(arrays[0]):
        raise PointsError(f"targets: wrong number (wanted {len(arrays[0])}, one a point; got shape {t.shape}).")
    prepared, arrays = head.targets(t), cast(arrays, dtype)
    step = max(POINTS_AT_ONCE, VALUES // n_values(head.network))

    def chunks() -> list[tuple[Points, Array]]:
        parts = [slice(start, start + step) for start in range(0, len(prepared), step)]
        return [(tuple(array[part] for array in arrays), prepared[part]) for part in parts]

    return head, chunks


def array_of(given: ArrayLike | Sequence[ArrayLike], name: str) -> Array:
    """What was given as an array; PointsError if its rows have different lengths."""
    try:
        return np.asarray(given)
    except ValueError as error:
        raise PointsError(f"{name}: these make no array ({error}). Give rows of the same length.") from error


def floating(dtype: DTypeLike | None) -> np.dtype[Any]:
    """float64, or the floating type that is asked for; InputError if it is neither float64 nor float32."""
    found = np.dtype(dtype or np.float64)
    if found not in (np.float64, np.float32):
        raise InputError(f"dtype: derivatives are computed in float64 or float32 (got {found}). Convert the result.")
    return found


def cast(points: Points, dtype: np.dtype[Any]) -> Points:
    """The points with their floating numbers in another type."""
    return tuple(array.astype(dtype, copy=False) if array.dtype.kind == "f" else array for array in points)


def span(part: slice | None, length: int, name: str) -> slice:
    """A range of neighbouring weights with its start and stop; InputError if it is none."""
    start, stop, step = (part or slice(None)).indices(length)
    if step != 1:
        raise InputError(f"{name}: only ranges of neighbouring weights make a block (wanted step 1; got {step}).")
    return slice(start, max(start, stop))
