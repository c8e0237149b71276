"""Faults in the kernels: sums over points, places in a block, accumulation of Jacobians, working arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jachess.backprop import jacobian
from jachess.backprop.factors import Constant
from jachess.backprop.segments import Segment
from jachess.network import working_arrays
from jachess.network.graph import Array, Network
from tests.faults.fault import HESSIAN, JACOBIAN, Fault, Plant, around, instead, returned, several

KERNEL = "jachess.backprop.hessian"
CONTRACTION = "jachess.backprop.contraction.Contraction"
JACOBIAN_KERNEL = "jachess.backprop.jacobian.JacobianKernel"


def method(name: str, plant: Plant) -> Plant:
    """A fault in one way to accumulate Jacobians, and that way chosen."""

    def chosen(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda network, points, **options: f(network, points, method=name)

    return several(plant, around("jachess.batch.quantities.jacobian.jacobian_rows", chosen))


def first_chunk_twice(f: Callable[..., Any]) -> Callable[..., Any]:
    def faulty(*given: Any, first: bool) -> None:
        f(*given, first=first)
        if first:
            f(*given, first=False)

    return faulty


def packed_pairs_off_by_one(f: Callable[..., Any]) -> Callable[..., Any]:
    """(a, b) for b > a is looked up one place too far, as if the diagonal were counted twice."""

    def faulty(n_left: int, n_right: int, *, packed: bool) -> Array:
        places = f(n_left, n_right, packed=packed)
        apart = np.arange(n_left)[:, None] != np.arange(n_right)
        return np.where(apart, np.minimum(places + 1, places.max()), places) if packed else places

    return faulty


def factors_exchanged(f: Callable[..., Any]) -> Callable[..., Any]:
    """z_p z_i for z_i z_p, where both layers have as many inputs."""

    def faulty(own: Any, z_first: Array, z_second: Array, *given: Any, **options: Any) -> None:
        alike = z_first.shape == z_second.shape
        f(own, *((z_second, z_first) if alike else (z_first, z_second)), *given, **options)

    return faulty


def rows_only(f: Callable[..., Any]) -> Callable[..., Any]:
    """Products with unit vectors are put into the rows of their weight, but not into its columns."""

    def faulty(head: Any, chunks: Any, down: Any, beside: Any, rows: slice, columns: slice, block: Array) -> None:
        before = block.copy()
        f(head, chunks, down, beside, rows, columns, block)
        mine = np.arange(rows.start, rows.stop)
        inside = [(weight.offset <= mine) & (mine < weight.slice.stop) for weight in down]
        if down:
            block[~np.any(inside, axis=0)] = before[~np.any(inside, axis=0)]

    return faulty


def upper_corner(strip: Array) -> Array:
    strip[:, : len(strip)] = np.triu(strip[:, : len(strip)])
    return strip


def reused_too_early(f: Callable[..., Any]) -> Callable[..., Any]:
    """While the kernel computes, a buffer counts as unused although somebody still holds it."""

    def faulty(*given: Any, **options: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(working_arrays, "SMALLEST", 1)
            patch.setattr(working_arrays, "_UNUSED", 1 << 30)
            return f(*given, **options)

    return faulty


def unscaled(f: Callable[..., Any]) -> Callable[..., Any]:
    """h' left out of the recursion."""
    return lambda left, scale: f(left, np.ones_like(scale))


def scaled_twice(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda left, scale: f(left, scale * scale)


def sign_of_first_layer(segments: list[Segment]) -> list[Segment]:
    constant = segments[0].constant
    if constant is None:
        return segments
    return [replace(segments[0], constant=Constant(-constant.matrix)), *segments[1:]]


def transposed(segments: list[Segment]) -> list[Segment]:
    """Every square matrix the other way round."""
    return [
        replace(s, constant=Constant(s.constant.matrix.T.copy())) if s.constant and s.start.width == s.end.width else s
        for s in segments
    ]


def exchanged(segments: list[Segment]) -> list[Segment]:
    """Two layers with matrices of the same shape in each other's place."""
    alike = [i for i, s in enumerate(segments) if s.constant and s.constant.matrix.shape == (5, 5)]
    if len(alike) < 2:
        return segments
    first, second = alike[:2]
    swapped = list(segments)
    swapped[first] = replace(segments[first], constant=segments[second].constant)
    swapped[second] = replace(segments[second], constant=segments[first].constant)
    return swapped


def halves(f: Callable[..., Any]) -> Callable[..., Any]:
    """The product of two halves of the network, whatever it costs."""

    def bracket(cuts: Any, method: str) -> Any:
        whole, middle = f(cuts, "reverse"), len(cuts) // 2
        before, behind = replace(whole, end=middle), replace(whole, start=middle)
        return replace(whole, how="product", before=before, behind=behind) if middle else whole

    return bracket


def sides_exchanged(f: Callable[..., Any]) -> Callable[..., Any]:
    def faulty(left: Any, right: Any, *given: Any) -> Any:
        square = all(isinstance(side, np.ndarray) and side.shape[1] == side.shape[2] for side in (left, right))
        return f(*((right, left) if square else (left, right)), *given)

    return faulty


def square_pushed(found: Any) -> Any:
    """What has been pushed is left with its columns as rows, where that has the shape."""
    alike = isinstance(found, np.ndarray) and found.shape[1] == found.shape[2]
    return found.swapaxes(1, 2).copy() if alike else found


def chunks_of(points: int, change: Callable[..., Any]) -> Plant:
    """Several chunks in a block of Jacobians, of which ``change`` makes something else."""

    def small(f: Callable[..., Any]) -> Callable[..., Any]:
        def fill(own: jacobian.JacobianKernel, given: Any, out: Array) -> None:
            own.points_at_once = points
            f(own, given, out)

        return fill

    return several(around(f"{JACOBIAN_KERNEL}.fill", small), around(f"{JACOBIAN_KERNEL}._fill_chunk", change))


def last_chunk_forgotten(f: Callable[..., Any]) -> Callable[..., Any]:
    def faulty(own: Any, points: Any, out: Array) -> None:
        f(own, points, out)
        if len(out) < own.points_at_once:
            out[:] = 0

    return faulty


def first_point_everywhere(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda own, points, out: f(own, tuple(np.repeat(array[:1], len(array), axis=0) for array in points), out)


def before_output_units(f: Callable[..., Any]) -> Callable[..., Any]:
    """The Jacobian of the output units' pre-activations."""

    def faulty(network: Network, *given: Any, **options: Any) -> Array:
        last = network.nodes[-1]
        unit = last.operation in ("Softmax", "Sigmoid")
        return f(replace(network, output=last.inputs[0]) if unit else network, *given, **options)

    return faulty


KERNELS = (
    Fault("sum over points", "only the last chunk counts", around(f"{CONTRACTION}.add", lambda f: lambda *given, first:
          f(*given, first=True)), HESSIAN),
    Fault("sum over points", "the first chunk counts twice", around(f"{CONTRACTION}.add", first_chunk_twice), HESSIAN),
    Fault("packed pairs", "of units, off by one", around("jachess.backprop.pair_sums.pair_places",
          packed_pairs_off_by_one), HESSIAN),
    Fault("packed pairs", "of inputs, off by one", around("jachess.backprop.contraction.pair_places",
          packed_pairs_off_by_one), HESSIAN),
    Fault("mixed-up inputs", "of two layers", around("jachess.backprop.tile.Tile.contract", factors_exchanged),
          HESSIAN),
    Fault("missing term", "a weight in several layers", instead(f"{KERNEL}.overlap", lambda layers: False), HESSIAN),
    Fault("missing term", "columns of weights in no layer", around(f"{KERNEL}.insert_products", rows_only), HESSIAN),
    Fault("corner", "not mirrored", around("jachess.batch.quantities.hessian.hessian_strip", returned(upper_corner)),
          HESSIAN),
    Fault("working array", "used again too early", around("jachess.batch.quantities.hessian.hessian_strip",
          reused_too_early), HESSIAN),
    Fault("recursion", "h' left out", around("jachess.backprop.factors._scaled_columns", unscaled), JACOBIAN),
    Fault("recursion", "h' twice", around("jachess.backprop.factors._scaled_columns", scaled_twice), JACOBIAN),
    Fault("recursion", "h' left out going forward", method("forward", around("jachess.backprop.factors._scaled_rows",
          lambda f: lambda scale, *given: f(np.ones_like(scale), *given))), JACOBIAN),
    Fault("sign", "of the first layer", around("jachess.backprop.jacobian.find_segments",
          returned(sign_of_first_layer)), JACOBIAN),
    Fault("transposed", "W for Wᵀ in a segment", around("jachess.backprop.jacobian.find_segments",
          returned(transposed)), JACOBIAN),
    Fault("swapped layers", "in a product of segments", around("jachess.backprop.jacobian.find_segments",
          returned(exchanged)), JACOBIAN),
    Fault("bracket", "sides of a product exchanged", several(around("jachess.backprop.jacobian.cheapest", halves),
          around("jachess.backprop.jacobian.product", sides_exchanged)), JACOBIAN),
    Fault("bracket", "columns for rows going forward", method("forward", around(
          "jachess.backprop.segments.Segment.push", returned(square_pushed))), JACOBIAN),
    Fault("chunk", "last partial one forgotten", chunks_of(4, last_chunk_forgotten), JACOBIAN),
    Fault("chunk", "its first point for all", chunks_of(4, first_point_everywhere), JACOBIAN),
    Fault("output units", "left out", around("jachess.batch.quantities.jacobian.jacobian_rows", before_output_units),
          JACOBIAN),
)  # fmt: skip
"""One record a fault."""
