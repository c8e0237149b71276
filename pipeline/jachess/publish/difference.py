"""How one result differs from another: norms of the change per layer, and shifts of sensitivities; read in pieces."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jachess.backprop.parallel import n_cores
from jachess.batch.quantities import QUANTITIES
from jachess.checks.table import table
from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.axes import Axis
from jachess.result.labelled import LabelledArray, too_small
from jachess.result.open import Result
from jachess.result.sensitivity import Sensitivity
from jachess.result.streams import Passes, map_in_order

_IN_FLIGHT = 8
"""Pieces' worth of memory that each thread may take: both as they are read, their difference, and squares."""


@dataclass(frozen=True)
class Change:
    """How a part of an array changed: all of it that belongs to the same weight tensors.

    Attributes
    ----------
    array : str
    layers : tuple of str
        A weight tensor for each axis of weights; none if the array has no such axis.
    before, change : float
        Frobenius norms: the root of Σ a², and of Σ (b − a)².
    largest : float
        The largest |b − a|.
    """

    array: str
    layers: tuple[str, ...]
    before: float
    change: float
    largest: float


@dataclass(frozen=True)
class Shift:
    """How the sensitivity of an output to an input changed: the mean of |J| over the points."""

    output: str
    input: str
    before: float
    after: float


@dataclass(frozen=True)
class Difference:
    """What `difference` found.

    Attributes
    ----------
    changes : tuple of Change
    shifts : tuple of Shift
        Those that changed most, the largest first.
    apart : tuple of str
        Why some arrays are not compared.
    """

    changes: tuple[Change, ...]
    shifts: tuple[Shift, ...]
    apart: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The difference as JSON can hold it."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The difference for people."""
        found: list[str] = []
        if self.changes:
            found += table(
                [["array", "layers", "norm before", "norm of change", "relative", "largest change"]]
                + [
                    [c.array, " × ".join(c.layers), f"{c.before:.6g}", f"{c.change:.6g}",
                     f"{c.change / c.before:.2g}" if c.before else "", f"{c.largest:.6g}"]
                    for c in self.changes
                ]
            )  # fmt: skip
        if self.shifts:
            found += ["", "sensitivities (mean |J|) that changed most"]
            found += table(
                [["output", "input", "before", "after", "shift"]]
                + [[s.output, s.input, f"{s.before:.6g}", f"{s.after:.6g}", f"{s.after - s.before:+.6g}"]
                   for s in self.shifts]
            )  # fmt: skip
        return [*found, *(f"not compared: {why}" for why in self.apart)]


def difference(before: Result, after: Result, *, shifts: int = 10) -> Difference:
    """Compare two results in one pass over each array that both hold, and one more over the Jacobians.

    Parameters
    ----------
    shifts : int
        How many sensitivities are told.

    Raises
    ------
    InputError
        If they have nothing in common, or a piece does not fit the memory.
    IncompleteError
        If a part is missing.
    """
    changes: list[Change] = []
    apart: list[str] = []
    common = [name for name in before.plan.quantities if name in after.plan.quantities]
    if not common:
        raise InputError(f"{before.path}, {after.path}: no quantity is in both. There is nothing to compare.")
    for quantity in common:
        name = QUANTITIES[quantity].arrays(before.plan)[0].name  # the others say how it was checked
        old, new = before[name], after[name]
        if why := _why_apart(old, new):
            apart.append(f"{name}: {why}")
        else:
            changes += _changes(old, new)
    found: tuple[Shift, ...] = ()
    if "jacobian" in common and before.jacobian.shape[1:] == after.jacobian.shape[1:]:
        found = _shifts(before, before.jacobian.sensitivity(), after.jacobian.sensitivity(), shifts)
    return Difference(tuple(changes), found, tuple(apart))


def _why_apart(old: LabelledArray, new: LabelledArray) -> str | None:
    if old.shape != new.shape:
        return f"of another shape ({old.shape} before, {new.shape} after)"
    if any(axis.of_weights for axis in old.axes) and old.axes[0].plan.weights != new.axes[0].plan.weights:
        return "the weight tensors have other names or shapes"
    return None


def _changes(old: LabelledArray, new: LabelledArray) -> list[Change]:
    """Norms of an array's change, one for each combination of weight tensors."""
    old.require()
    new.require()
    piece = 8 * math.prod(old.source.chunks)
    n_threads = min(n_cores(), old.memory // (_IN_FLIGHT * piece))
    if not n_threads:
        raise too_small(old.source.name, "the comparison", _IN_FLIGHT * piece, old.memory)
    groups = [_tensors(axis) for axis in old.axes if axis.of_weights]
    squares, changes, largest = np.zeros((3, *(len(names) for names, _ in groups)))

    def part(region: tuple[slice, ...]) -> list[Array]:
        stored = old.source.read(region).astype(np.float64)
        change = np.abs(new.source.read(region).astype(np.float64) - stored)
        reductions = ((stored**2, np.add), (change**2, np.add), (change, np.maximum))
        return [_reduced(values, old.axes, region, ufunc) for values, ufunc in reductions]

    n_pieces = math.prod(-(-length // chunk) for length, chunk in zip(old.shape, old.source.chunks, strict=True))
    passes = Passes(f"comparison of {old.source.name}", n_pieces)
    for square, moved, most in map_in_order(part, _regions(old), n_threads):
        passes.advance()
        squares, changes = squares + square, changes + moved
        largest = np.maximum(largest, most)
    passes.close()
    return [
        Change(
            old.source.name, layers, *(float(total[place]) for total in (np.sqrt(squares), np.sqrt(changes), largest))
        )
        for place, layers in _combinations(groups)
        if list(place) == sorted(place) or not _symmetric(old)
    ]


def _tensors(axis: Axis) -> tuple[list[str], Array]:
    """Names of the tensors along an axis of weights, and where each begins."""
    held = [(name, offset) for name, shape, offset in axis.plan.weights if math.prod(shape)]
    return [name for name, _ in held], np.array([offset for _, offset in held])


def _combinations(groups: list[tuple[list[str], Array]]) -> Iterator[tuple[tuple[int, ...], tuple[str, ...]]]:
    for place in itertools.product(*(range(len(names)) for names, _ in groups)):
        yield place, tuple(names[i] for i, (names, _) in zip(place, groups, strict=True))


def _symmetric(array: LabelledArray) -> bool:
    return array.dimensions == ("weight_i", "weight_j")


def _regions(array: LabelledArray) -> Iterator[tuple[slice, ...]]:
    """One chunk after the other."""
    spans = (
        [slice(start, min(start + chunk, length)) for start in range(0, length, chunk)]
        for chunk, length in zip(array.source.chunks, array.shape, strict=True)
    )
    return itertools.product(*spans)


def _reduced(values: Array, axes: tuple[Axis, ...], region: tuple[slice, ...], ufunc: np.ufunc) -> Array:
    """A piece reduced over the groups of its axes of weights, and over all others whole: of the shape of all groups."""
    sizes: list[int] = []
    for number in reversed(range(len(axes))):
        axis, span = axes[number], region[number]
        if not axis.of_weights:
            values = ufunc.reduce(values, axis=number)
            continue
        edges = _tensors(axis)[1]
        first, last = int(np.searchsorted(edges, span.start, "right")) - 1, int(np.searchsorted(edges, span.stop))
        found = ufunc.reduceat(values, np.maximum(edges[first:last] - span.start, 0), axis=number)
        sizes.insert(0, len(edges))
        widths = [(0, 0)] * values.ndim
        widths[number] = (first, len(edges) - last)
        values = np.pad(found, widths)
    assert values.shape == tuple(sizes)
    return values


def _shifts(result: Result, before: Sensitivity, after: Sensitivity, count: int) -> tuple[Shift, ...]:
    size = np.abs(after.mean_magnitude - before.mean_magnitude)
    order = np.argsort(-size, axis=None, kind="stable")[: max(0, count)]
    outputs, inputs = np.unravel_index(order, size.shape)
    axes = result.jacobian.axes
    return tuple(
        Shift(output, input, float(before.mean_magnitude[k, d]), float(after.mean_magnitude[k, d]))
        for k, d, output, input in zip(outputs, inputs, axes[1].names(outputs), axes[2].names(inputs), strict=True)
    )
