"""Conv and ConvTranspose: kernels that act at many positions, as products of matrices with what their windows see.

Both are bilinear. With G the map from an array to its windows (im2col) and Gᵀ the one that adds windows up again,
Conv is y = W G(x) and ConvTranspose y = Gᵀ(Wᵀ x): each is the other's transpose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.axes import bounded
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, PointAxis, Positions, Wanted
from jachess.network.operations.windows import GEOMETRY, Windows
from jachess.network.working_arrays import empty


@dataclass(frozen=True)
class _Shape:
    """What a call convolves: arrays (N, groups · channels, *size) and (N, groups · units, *count).

    The kernel is (groups · units, channels, *kernel) for Conv, the many channels on its first axis; for ConvTranspose
    the units are its inputs.
    """

    groups: int
    windows: Windows
    channels: int
    units: int

    def working(self, n_points: int) -> int:
        """Elements of what the windows see of so many points, twice: as gathered, and with the points beside."""
        extent, seen = math.prod(self.windows.extent), self.windows.n_kernel * self.windows.n_windows
        return n_points * self.groups * self.channels * (2 * seen + extent)

    def kernel(self, rows: Array) -> Array:
        """Kernels (lead, groups · units, channels, *kernel) as matrices (lead, 1, groups, units, C)."""
        lead = rows.shape[: rows.ndim - 2 - len(self.windows.kernel)]
        return rows.reshape(*lead, 1, self.groups, self.units, -1)

    def seen(self, rows: Array) -> Array:
        """Arrays (lead, N, channels, *size) as what the windows see, (lead, N, groups, C, windows)."""
        lead = rows.shape[: rows.ndim - 1 - len(self.windows.size)]
        bounded((*lead, rows.shape[len(lead)], self.windows.n_kernel, self.windows.n_windows))
        return self.windows.gather(rows).reshape(*lead, self.groups, -1, self.windows.n_windows)

    def unseen(self, seen: Array) -> Array:
        """The transpose of `seen`."""
        lead = seen.shape[:-3]
        windows = seen.reshape(*lead, -1, *self.windows.kernel, *self.windows.count)
        return self.windows.scatter(windows)

    def flat(self, rows: Array) -> Array:
        """Arrays (lead, N, units, *count) as (lead, N, groups, units, windows)."""
        lead = rows.shape[: rows.ndim - 1 - len(self.windows.count)]
        return rows.reshape(*lead, self.groups, self.units, self.windows.n_windows)

    def unflat(self, rows: Array) -> Array:
        """The transpose of `flat`."""
        return rows.reshape(*rows.shape[:-3], self.groups * self.units, *self.windows.count)

    def convolved(self, seen: Array, kernel: Array) -> Array:
        """W G(x)."""
        return _at_windows(self.kernel(kernel), seen)

    def spread(self, flat: Array, kernel: Array) -> Array:
        """Wᵀ y, as the windows see it."""
        return _at_windows(self.kernel(kernel).swapaxes(-1, -2), flat)

    def correlated(self, flat: Array, seen: Array) -> Array:
        """Σ y G(x)ᵀ over points and positions: kernels (lead, groups · units, channels, *kernel)."""
        last = _points_last(flat) or _points_last(seen)
        product = _matmul(_with_points(flat, last), _with_points(seen, last).swapaxes(-1, -2))
        return product.reshape(*product.shape[:-3], self.groups * self.units, self.channels, *self.windows.kernel)


def _points_last(rows: Array) -> bool:
    """Whether the points of an array (lead, N, groups, M, windows) lie beside each other in memory."""
    return rows.strides[-4] == rows.itemsize and rows.shape[-4] > 1


def _at_windows(matrices: Array, rows: Array) -> Array:
    """Products of matrices (lead, 1, groups, L, M) and what is at the windows, (lead, N, groups, M, windows)."""
    if not _points_last(rows):
        return np.asarray(np.matmul(matrices, rows))
    moved = np.moveaxis(rows, -4, -1)
    flat, matrices = moved.reshape(*moved.shape[:-2], -1), matrices[..., 0, :, :, :]
    found = _matmul(matrices, flat)
    return np.moveaxis(found.reshape(*found.shape[:-1], *moved.shape[-2:]), -1, -4)


def _matmul(a: Array, b: Array) -> Array:
    """Products of matrices a (lead, groups, L, M) and b (lead, groups, M, R); one product if b is one matrix."""
    if b.ndim == 3 and len(b) == 1 and a.ndim > 3:
        return _matmul(a.reshape(1, -1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    found = empty((*lead, a.shape[-2], b.shape[-1]), np.result_type(a, b))
    return np.asarray(np.matmul(a, b, out=found))


def _with_points(rows: Array, last: bool) -> Array:
    """Arrays (lead, N, groups, M, windows) as (lead, groups, M, N · windows), or with the points last."""
    moved = np.moveaxis(rows, -4, -1 if last else -2)
    return moved.reshape(*moved.shape[:-2], -1)


def _bilinear(
    name: str,
    shape: Callable[[Call], _Shape],
    product: Callable[[_Shape, Array, Array], Array],
    to_input: Callable[[_Shape, Array, Array], Array],
    to_kernel: Callable[[_Shape, Array, Array], Array],
    positions: Callable[[Call, PointAxis], Positions | None] | None = None,
    **extra: object,
) -> Operation:
    """The record of y = B(x, w) + b.

    ``product(shape, x, w)`` is B, ``to_input(shape, ȳ, w)`` and ``to_kernel(shape, ȳ, x)`` are its transposes in each
    operand. One of the two arguments may be rows.
    """

    def forward(call: Call) -> Arrays:
        y, bias = product(shape(call), call.x, _kernel(call)), _bias(call)
        return (y if bias is None else y + _along(bias, y.ndim),)

    def tangent(call: Call, dx: Maybe) -> Maybe:
        terms = []
        if dx[0] is not None:
            terms.append(product(shape(call), dx[0], _kernel(call)))
        if dx[1] is not None:
            terms.append(product(shape(call), call.x, dx[1]))
        if len(dx) > 2 and dx[2] is not None:
            bias = _along(dx[2], call.y.ndim)
            terms.append(np.broadcast_to(bias, (*dx[2].shape[:-1], *call.y.shape)))
        return (sum(terms[1:], start=terms[0]) if terms else None,)

    def cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
        if dy[0] is None:
            return (None,) * len(call.inputs)
        found = pulled(call, dy[0], call.x, _kernel(call), wanted)
        if len(wanted) > 2 and wanted[2]:
            lead = dy[0].ndim - call.y.ndim
            axes = (lead, *range(lead + 2, dy[0].ndim))
            return (*found, dy[0].sum(axis=axes))
        return found + (None,) * (len(call.inputs) - 2)

    def curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
        if dy[0] is None:
            return (None,) * len(call.inputs)
        return pulled(call, dy[0], dx[0], dx[1], wanted) + (None,) * (len(call.inputs) - 2)

    def pulled(call: Call, dy: Array, x: Array | None, kernel: Array | None, wanted: Wanted) -> Maybe:
        left = to_input(shape(call), dy, kernel) if wanted[0] and kernel is not None else None
        right = to_kernel(shape(call), dy, x) if wanted[1] and x is not None else None
        return left, right

    attributes = {**GEOMETRY, "group": 1, **extra}
    return Operation(
        name,
        (2, 3),
        forward,
        tangent,
        cotangent,
        curvature,
        attributes=attributes,
        weights=(1, 2),
        linear=True,
        analytic=True,
        positions=positions,
        working=lambda call: shape(call).working(call.x.shape[0]),
    )


def _kernel(call: Call) -> Array:
    kernel = call.inputs[1]
    assert kernel is not None
    return kernel


def _bias(call: Call) -> Array | None:
    return call.inputs[2] if len(call.inputs) > 2 else None


def _along(bias: Array, ndim: int) -> Array:
    """Rows of one number a channel, ready to be added to what has ``ndim`` axes, the second of them channels."""
    return bias.reshape(*bias.shape[:-1], 1, bias.shape[-1], *(1,) * (ndim - 2))


def _groups(call: Call, n_channels: int) -> int:
    groups, kernel = int(call.attributes["group"]), _kernel(call)
    if groups < 1 or kernel.ndim != call.x.ndim or call.x.ndim < 3 or kernel.shape[0] % groups or n_channels % groups:
        raise NetworkError(f"{groups} groups of {call.x.shape} do not fit a kernel {kernel.shape}")
    return groups


def _conv_shape(call: Call) -> _Shape:
    kernel = _kernel(call)
    groups, windows = _groups(call, call.x.shape[1]), Windows.of(call.attributes, call.x.shape[2:], kernel.shape[2:])
    if kernel.shape[1] * groups != call.x.shape[1]:
        raise NetworkError(f"a kernel {kernel.shape} in {groups} groups does not fit an input {call.x.shape}")
    bounded((call.x.shape[0], kernel.shape[0], windows.n_windows))
    return _Shape(groups, windows, kernel.shape[1], kernel.shape[0] // groups)


def _transposed_shape(call: Call) -> _Shape:
    kernel = _kernel(call)
    groups = _groups(call, call.x.shape[1])
    windows = Windows.behind(call.attributes, call.x.shape[2:], kernel.shape[2:])
    if kernel.shape[0] != call.x.shape[1]:
        raise NetworkError(f"a kernel {kernel.shape} does not fit an input {call.x.shape}")
    bounded((call.x.shape[0], kernel.shape[1] * groups, math.prod(windows.size)))
    return _Shape(groups, windows, kernel.shape[1], kernel.shape[0] // groups)


def _conv_positions(call: Call, points: PointAxis) -> Positions | None:
    shape = _conv_shape(call)
    if shape.groups > 1 or points.axis != 0:
        return None
    return Positions(
        seen=lambda rows: points.by_position(shape.seen(rows)[..., 0, :, :], 3, units=-2),
        units=lambda rows: points.by_position(shape.flat(rows)[..., 0, :, :], 3, units=-2),
        matrix=lambda kernel: kernel.reshape(shape.units, -1),
    )


CONVOLUTION = (
    _bilinear(
        "Conv",
        _conv_shape,
        lambda shape, x, w: shape.unflat(shape.convolved(shape.seen(x), w)),
        lambda shape, dy, w: shape.unseen(shape.spread(shape.flat(dy), w)),
        lambda shape, dy, x: shape.correlated(shape.flat(dy), shape.seen(x)),
        positions=_conv_positions,
    ),
    _bilinear(
        "ConvTranspose",
        _transposed_shape,
        lambda shape, x, w: shape.unseen(shape.spread(shape.flat(x), w)),
        lambda shape, dy, w: shape.unflat(shape.convolved(shape.seen(dy), w)),
        lambda shape, dy, x: shape.correlated(shape.flat(x), shape.seen(dy)),
        output_padding=None,
        output_shape=None,
    ),
)
