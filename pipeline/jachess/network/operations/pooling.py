"""MaxPool and AveragePool. Of tied maxima in a window the first counts, in row-major order, as in PyTorch."""

from __future__ import annotations

import math

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.axes import times
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted
from jachess.network.operations.windows import GEOMETRY, Windows, padding
from jachess.network.working_arrays import empty_like, lying_as


def _windows(call: Call) -> Windows:
    return Windows.of(call.attributes, call.x.shape[2:], call.attributes["kernel_shape"] or ())


def _winners(call: Call) -> Array:
    """Which element of its window is the largest, (N, C, *count)."""

    def find() -> Array:
        windows = _windows(call)
        seen = windows.gather(call.x, -np.inf)
        flat = seen.reshape(*call.x.shape[:2], windows.n_kernel, *windows.count)
        return lying_as(flat.argmax(axis=2), call.x)

    return call.once("winners", find)


def _seen(call: Call) -> int:
    """Elements of all windows, and of what they lie in."""
    windows = _windows(call)
    return math.prod(call.x.shape[:2]) * (windows.n_kernel * windows.n_windows + math.prod(windows.extent))


def _places(call: Call) -> Array:
    """Place of each window's largest element among a channel's elements laid end to end, (N, C, windows)."""

    def find() -> Array:
        windows, winners = _windows(call), _winners(call)
        within = np.unravel_index(winners, windows.kernel)
        axes = np.ogrid[tuple(slice(n) for n in windows.count)]
        places = [
            axis * step + element * apart - first
            for axis, step, element, apart, first in zip(
                axes, windows.strides, within, windows.dilations, windows.before, strict=True
            )
        ]
        return np.asarray(np.ravel_multi_index(tuple(places), windows.size)).reshape(*winners.shape[:2], -1)

    return call.once("places", find)


def _chosen(call: Call, rows: Array) -> Array:
    """The winners' elements of rows (lead, N, C, *size), as (lead, N, C, *count)."""
    windows, winners = _windows(call), _winners(call)
    whole = windows.padded(rows)
    found = windows.filled(rows, windows.count)
    for number, (_, chosen) in enumerate(windows.offsets()):
        np.copyto(found, whole[chosen], where=winners == number)
    return found


def _max_forward(call: Call) -> Arrays:
    y, places = _chosen(call, call.x), _places(call)
    size = _windows(call).size
    if call.attributes["storage_order"]:  # counted down the columns
        places = np.ravel_multi_index(np.unravel_index(places, size)[::-1], size[::-1])
    offset = np.arange(call.x.shape[0] * call.x.shape[1]).reshape(*call.x.shape[:2], 1) * np.prod(size, dtype=np.int64)
    return y, (places + offset).reshape(y.shape)


def _max_tangent(call: Call, dx: Maybe) -> Maybe:
    return (None if dx[0] is None else _chosen(call, dx[0]), *(None,) * (len(call.outputs) - 1))


def _max_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    if dy[0] is None:
        return (None,)
    windows, winners = _windows(call), _winners(call)
    whole = windows.filled(dy[0], windows.extent)
    for number, (_, chosen) in enumerate(windows.offsets()):
        whole[chosen] += np.where(winners == number, dy[0], 0)
    return (windows.cropped(whole),)


def _share(call: Call) -> Array:
    """What each element of a window counts in the mean, (*count)."""

    def find() -> Array:
        windows = _windows(call)
        if call.attributes["count_include_pad"]:  # but what lies beyond the padding does not count
            pads = padding(call.attributes, len(windows.size))
            explicit = call.attributes["auto_pad"] == "NOTSET"
            ends = [
                n + first + last if explicit else extent
                for n, (first, last), extent in zip(windows.size, pads, windows.extent, strict=True)
            ]
            there = np.zeros(windows.extent)
            there[tuple(slice(end) for end in ends)] = 1
        else:
            there = windows.padded(np.ones(windows.size))
        return 1 / np.asarray(sum(there[chosen] for _, chosen in windows.offsets()))

    return call.once("share", find).astype(call.x.real.dtype)


def _mean(call: Call, rows: Array) -> Array:
    windows, share = _windows(call), _share(call)
    whole = windows.padded(rows)
    total = windows.filled(rows, windows.count)
    for _, chosen in windows.offsets():
        total += whole[chosen]
    return np.multiply(total, share, out=total)


def _spread(call: Call, rows: Array) -> Array:
    """The transpose of `_mean`."""
    windows, shared = _windows(call), times(_share(call), rows)
    if windows.tiling:
        whole = empty_like(rows, rows.dtype, (*rows.shape[: -len(windows.size)], *windows.extent))
        for _, chosen in windows.offsets():
            whole[chosen] = shared
        return windows.cropped(whole)
    whole = windows.filled(rows, windows.extent)
    for _, chosen in windows.offsets():
        whole[chosen] += shared
    return windows.cropped(whole)


POOLING = (
    Operation(
        "MaxPool",
        (1, 1),
        _max_forward,
        _max_tangent,
        _max_cotangent,
        sides=_winners,
        working=_seen,
        attributes={**GEOMETRY, "ceil_mode": 0, "storage_order": 0},
    ),
    Operation(
        "AveragePool",
        (1, 1),
        lambda call: (_mean(call, call.x),),
        lambda call, dx: (None if dx[0] is None else _mean(call, dx[0]),),
        lambda call, dy, wanted: (None if dy[0] is None else _spread(call, dy[0]),),
        attributes={**GEOMETRY, "ceil_mode": 0, "count_include_pad": 0},
        linear=True,
        analytic=True,
    ),
)
