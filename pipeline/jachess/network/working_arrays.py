"""Working arrays that are used again: memory that the system hands out anew costs more than the arithmetic in it.

A fresh array of some megabytes is mapped page by page when it is first written, at about 1.5 ns an element; an
elementwise product takes 0.4 ns. So the passes take their arrays from buffers that are kept. An array goes back by
being forgotten: NumPy's views hold on to the buffer, and nothing else does.
"""

from __future__ import annotations

import sys
import threading
from bisect import bisect_left, insort
from typing import Any

import numpy as np

from jachess.network.graph import Array

SMALLEST = 1 << 15
"""Bytes below which the interpreter's own memory is as good."""
KEPT = 1 << 26
"""Bytes of unused buffers, at most, whenever a new one is made."""
KEPT_BETWEEN = 1 << 25
"""Bytes of unused buffers that a process keeps from one call to the next."""
_SPARE = 2
"""How many times larger than wanted a buffer may be."""
_UNUSED = next(sys.getrefcount(each) for each in [np.empty(0)])
"""References to a buffer that only its list, the loop and the count itself know."""

_buffers: list[Array] = []  # the smallest first
_lock = threading.Lock()


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array whose elements are still to be written, as `numpy.empty` gives it."""
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size < SMALLEST or dtype.hasobject:
        return np.empty(shape, dtype)
    with _lock:
        buffer = _unused(size)
        if buffer is None:
            _free(max(0, KEPT - size))
            buffer = np.empty(size, np.uint8)
            insort(_buffers, buffer, key=_size)
        return buffer[:size].view(dtype).reshape(shape)


def memory_order(array: Array) -> list[int]:
    """The axes, from that whose steps in memory are the longest to that whose neighbours lie beside each other."""
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))


def laid_out(shape: tuple[int, ...], order: list[int], dtype: np.dtype[Any]) -> Array:
    """An array of that shape whose axes follow each other in memory in that order."""
    lying = empty(tuple(shape[axis] for axis in order), dtype)
    return lying.transpose([order.index(axis) for axis in range(len(order))])


def empty_like(array: Array, dtype: np.dtype[Any], shape: tuple[int, ...] | None = None) -> Array:
    """An array whose axes follow each other in memory as in ``array``, of its shape unless another is given."""
    shape = array.shape if shape is None else shape
    return empty(shape, dtype) if array.flags.c_contiguous else laid_out(shape, memory_order(array), dtype)


def empty_rows(lead: tuple[int, ...], value: Array, dtype: np.dtype[Any]) -> Array:
    """An array (lead, *shape) of rows that lie each in memory as ``value`` does."""
    order = [*range(len(lead)), *(len(lead) + axis for axis in memory_order(value))]
    return laid_out((*lead, *value.shape), order, dtype)


def lying_as(value: Array, array: Array) -> Array:
    """The same numbers, lying in memory as ``array`` of the same number of axes does."""
    copy = empty_like(array, value.dtype, value.shape)
    copy[...] = value
    return copy


def give_back(kept: int = KEPT_BETWEEN) -> None:
    """Free the unused buffers, the largest first, but for so many bytes."""
    with _lock:
        _free(kept)


def _unused(size: int) -> Array | None:
    """The smallest unused buffer that is large enough."""
    for number in range(bisect_left(_buffers, size, key=_size), len(_buffers)):
        buffer = _buffers[number]
        if buffer.size > _SPARE * size:
            break
        if sys.getrefcount(buffer) <= _UNUSED:
            return buffer
    return None


def _size(buffer: Array) -> int:
    return buffer.size


def _free(kept: int) -> None:
    staying = []
    for buffer in _buffers:
        if sys.getrefcount(buffer) <= _UNUSED:
            kept -= buffer.size
            if kept < 0:
                continue
        staying.append(buffer)
    _buffers[:] = staying
