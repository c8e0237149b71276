"""Windows of a kernel that slides over the last axes of an array: what convolution and pooling have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.axes import bounded
from jachess.network.working_arrays import empty_like, laid_out, memory_order

GEOMETRY: Mapping[str, Any] = {
    "auto_pad": "NOTSET",
    "dilations": None,
    "kernel_shape": None,
    "pads": None,
    "strides": None,
}
"""Attributes that say where the windows lie."""


@dataclass(frozen=True)
class Windows:
    """Where the windows lie, one entry for each spatial axis.

    Attributes
    ----------
    size : tuple of int
        What the windows slide over.
    count : tuple of int
        Number of windows.
    kernel, strides, dilations : tuple of int
    before : tuple of int
        Elements of padding before the first one.
    """

    size: tuple[int, ...]
    count: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]

    @classmethod
    def of(cls, attributes: Mapping[str, Any], size: tuple[int, ...], kernel: Sequence[int]) -> Windows:
        """The windows that slide over ``size`` elements as an operation's attributes say."""
        strides, dilations = (_numbers(attributes, name, 1, len(size)) for name in ("strides", "dilations"))
        kernel = _kernel(attributes, kernel, size)
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        count, before = [], []
        for axis, (n, span, step) in enumerate(zip(size, spans, strides, strict=True)):
            if attributes["auto_pad"] in ("SAME_UPPER", "SAME_LOWER"):
                count.append(-(-n // step))
                before.append(_half((count[-1] - 1) * step + span - n, attributes["auto_pad"]))
            else:
                first, last = padding(attributes, len(size))[axis]
                room = n + first + last - span
                steps = room // step
                if attributes.get("ceil_mode"):
                    steps = -(-room // step)
                    steps -= steps * step >= n + first  # a window that begins behind the last element sees none
                count.append(steps + 1)
                before.append(first)
        if min(count, default=1) < 1:
            raise NetworkError(f"a kernel of {tuple(kernel)} is larger than what it slides over {size}")
        return cls(size, tuple(count), tuple(kernel), strides, dilations, tuple(before))

    @classmethod
    def behind(cls, attributes: Mapping[str, Any], count: tuple[int, ...], kernel: Sequence[int]) -> Windows:
        """The windows over a transposed convolution's output, one for each of its ``count`` inputs."""
        strides, dilations = (_numbers(attributes, name, 1, len(count)) for name in ("strides", "dilations"))
        kernel = _kernel(attributes, kernel, count)
        extra, given = _numbers(attributes, "output_padding", 0, len(count)), attributes["output_shape"]
        size, before = [], []
        for axis, n in enumerate(count):
            whole = (n - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 + extra[axis]
            same = attributes["auto_pad"] in ("SAME_UPPER", "SAME_LOWER")
            if given is not None or same:
                size.append(int(given[axis - len(count)]) if given is not None else n * strides[axis])
                before.append(_half(whole - size[-1], attributes["auto_pad"] if same else "SAME_UPPER"))
            else:
                first, last = padding(attributes, len(count))[axis]
                size.append(whole - first - last)
                before.append(first)
        bounded([max(n, 0) for n in size])
        return cls(tuple(size), count, tuple(kernel), strides, dilations, tuple(before))

    @property
    def n_kernel(self) -> int:
        """Elements of a window."""
        return math.prod(self.kernel)

    @property
    def n_windows(self) -> int:
        """Windows on all axes together."""
        return math.prod(self.count)

    @property
    def tiling(self) -> bool:
        """Whether each element from the first window's start to the last one's end is in one window."""
        return self.strides == self.kernel and set(self.dilations) == {1}

    @property
    def extent(self) -> tuple[int, ...]:
        """From the first window's start to the last one's end."""
        return tuple(
            (n - 1) * step + (k - 1) * d + 1
            for n, step, k, d in zip(self.count, self.strides, self.kernel, self.dilations, strict=True)
        )

    def padded(self, rows: Array, fill: float = 0.0) -> Array:
        """Rows (…, *size) within an array (…, *extent), not to be written to."""
        inner, outer = self._overlap()
        inside: Array = rows[inner]
        if inside.shape[inside.ndim - len(self.extent) :] == self.extent:
            return inside
        whole = self.filled(rows, self.extent, fill)
        whole[outer] = inside
        return whole

    def cropped(self, whole: Array) -> Array:
        """The transpose of `padded`: an array (…, *extent) as rows (…, *size)."""
        inner, outer = self._overlap()
        inside: Array = whole[outer]
        if inside.shape[inside.ndim - len(self.size) :] == self.size:
            return inside
        rows = self.filled(whole, self.size)
        rows[inner] = inside
        return rows

    def filled(self, like: Array, size: tuple[int, ...], fill: float = 0.0) -> Array:
        """An array (…, *size) of one number, with the leading axes and in the order in memory of another one."""
        lead = like.shape[: like.ndim - len(size)]
        found = empty_like(like, like.dtype, bounded((*lead, *size)))
        found[...] = fill
        return found

    def _overlap(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Which elements of the rows lie within the extent, and where there."""
        inner: list[Any] = [...]
        outer: list[Any] = [...]
        for n, first, extent in zip(self.size, self.before, self.extent, strict=True):
            start, stop = max(0, -first), min(n, extent - first)
            inner.append(slice(start, max(start, stop)))
            outer.append(slice(start + first, max(start, stop) + first))
        return tuple(inner), tuple(outer)

    def offsets(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """For each element of the kernel: where windows (…, *kernel, *count) have it, and where it is in the extent."""
        behind = (slice(None),) * len(self.count)
        for place in product(*map(range, self.kernel)):
            starts = (k * d for k, d in zip(place, self.dilations, strict=True))
            chosen = (
                slice(start, start + (n - 1) * step + 1, step)
                for start, n, step in zip(starts, self.count, self.strides, strict=True)
            )
            yield (..., *place, *behind), (..., *chosen)

    def gather(self, rows: Array, fill: float = 0.0) -> Array:
        """Rows (…, *size) as windows (…, *kernel, *count).

        Their axes follow each other in memory as those of the rows do, the kernel's in front of the first spatial one.
        """
        whole, n_axes = self.padded(rows, fill), len(self.size)
        n_lead = rows.ndim - n_axes
        order: list[int] = []
        for axis in memory_order(whole):
            if axis >= n_lead and not any(n_lead <= earlier < n_lead + n_axes for earlier in order):
                order += range(n_lead, n_lead + n_axes)
            order.append(axis + n_axes if axis >= n_lead else axis)
        windows = laid_out(bounded((*rows.shape[:n_lead], *self.kernel, *self.count)), order, rows.dtype)
        for place, chosen in self.offsets():
            windows[place] = whole[chosen]
        return windows

    def scatter(self, windows: Array) -> Array:
        """The transpose of `gather`: windows (…, *kernel, *count) added up where they overlap, as rows (…, *size)."""
        places = list(self.offsets())
        whole = self.filled(windows[places[0][0]], self.extent)
        by_rows = windows.ndim > 2 + 2 * len(self.count)  # what one row adds up stays in cache
        for own, seen in zip(whole, windows, strict=True) if by_rows else ((whole, windows),):
            for place, chosen in places:
                own[chosen] += seen[place]
        return self.cropped(whole)


def padding(attributes: Mapping[str, Any], n_axes: int) -> list[tuple[int, int]]:
    """Elements of padding before and after each spatial axis."""
    given = attributes["pads"] if attributes["auto_pad"] == "NOTSET" else None
    pads = [0] * (2 * n_axes) if given is None else [int(i) for i in given]
    if len(pads) != 2 * n_axes or min(pads, default=0) < 0:
        raise NetworkError(f"its pads do not fit (wanted {2 * n_axes} numbers; got {pads})")
    return list(zip(pads[:n_axes], pads[n_axes:], strict=True))


def _numbers(attributes: Mapping[str, Any], name: str, default: int, n_axes: int) -> tuple[int, ...]:
    given = attributes[name]
    numbers = (default,) * n_axes if given is None else tuple(int(i) for i in given)
    if len(numbers) != n_axes or min(numbers, default=1) < default:
        raise NetworkError(f"its {name} do not fit (wanted {n_axes} numbers; got {numbers})")
    return numbers


def _kernel(attributes: Mapping[str, Any], kernel: Sequence[int], size: tuple[int, ...]) -> tuple[int, ...]:
    given, found = attributes["kernel_shape"], tuple(int(k) for k in kernel)
    if len(found) != len(size) or min(found, default=1) < 1 or (given is not None and tuple(given) != found):
        raise NetworkError(f"its kernel_shape does not fit (wanted {len(size)} axes and {found}; got {given})")
    return found


def _half(total: int, how: str) -> int:
    """How much of the padding comes first."""
    total = max(total, 0)
    return total // 2 if how == "SAME_UPPER" else total - total // 2
