"""What a quantity is: a record of its arrays, blocks, memory and kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from jachess.backprop.differences import UNIT_ROUNDOFF, residuals
from jachess.backprop.propagation import Chunks
from jachess.batch.plan import Plan
from jachess.batch.points import PointSource
from jachess.batch.quantities.array_spec import ArraySpec, Region
from jachess.network.graph import Array, Network
from jachess.network.head import Head

Write = tuple[str, Region, Array]
"""Name of an array, the part of it, and what to write there: whole chunks."""

Read = Callable[[str, Region], Array]
"""Gives a part of an array of the store."""


@dataclass(frozen=True)
class Context:
    """What a worker needs to compute blocks: it is made once in each. An earlier result has the first points' share."""

    network: Network
    head: Head | None
    source: PointSource
    plan: Plan
    earlier: Read | None = None

    def all_chunks(self) -> Chunks:
        """All points and targets, in the pieces that the plan says."""
        return self.chunks(slice(0, self.plan.n_points))

    def chunks(self, span: slice) -> Chunks:
        """Some points and their targets, in the pieces that the plan says."""
        return lambda: self.source.chunks(span.start, span.stop, self.plan.points_at_once)

    def error_head(self) -> Head:
        """The head, which quantities of the error function have."""
        assert self.head is not None
        return self.head


Row = tuple[int, ...]
"""Indices of a row among those that are checked."""

Again = Callable[[Context, Read, Row], tuple[Array, Array]]


@dataclass(frozen=True)
class FurtherCheck:
    """What validation compares a stored quantity with besides its opponent.

    Attributes
    ----------
    name : str
        What is compared, for people.
    stored_check, rows, row_name, opponent
        As of a `Quantity`.
    unit : str
        What rows are called.
    applies : Plan -> bool
    again
        As of a `Quantity`, whose own is taken by default.
    """

    name: str
    stored_check: Callable[[Context], Callable[[Read, int], Array]]
    rows: Callable[[Plan, int], Region]
    row_name: Callable[[Plan, tuple[int, ...]], str]
    opponent: str
    unit: str = "rows"
    applies: Callable[[Plan], bool] = lambda plan: True
    again: Again | None = None


@dataclass(frozen=True)
class Work:
    """What is computed in blocks, for which tasks are sent to workers.

    Attributes
    ----------
    name : str
        Also that of its first array.
    arrays : Plan -> list of ArraySpec
        What it is itself first.
    n_blocks : Plan -> int
    label : (Plan, block) -> str
        Names a block for people.
    memory : Plan -> int
        Bytes of one task, above those of an idle worker.
    operations : Plan -> float
        Floating-point operations of all blocks.
    compute : (Context, block) -> iterator of Write
        In the order in which they must be written, the receipt last.
    last : str
        Name of the array whose chunk a task writes last, if that is another.
    """

    name: str
    arrays: Callable[[Plan], list[ArraySpec]]
    n_blocks: Callable[[Plan], int]
    label: Callable[[Plan, int], str]
    memory: Callable[[Plan], int]
    operations: Callable[[Plan], float]
    compute: Callable[[Context, int], Iterator[Write]]
    last: str = field(default="", kw_only=True)

    @property
    def read_back(self) -> str:
        """Name of the array of residuals of what has been read back from the store, if it is."""
        return f"{self.name}_read_back"

    @property
    def receipt(self) -> str:
        """Name of the array whose chunk a task writes last."""
        return self.last or self.name


@dataclass(frozen=True)
class Sums:
    """How the sums over points of a quantity are split.

    Attributes
    ----------
    n_ranges : Plan -> int
        Ranges of points; 1 where they are not split.
    parts : Work
        The partial sums: one block for each range of each sum, the ranges of one sum in a row.
    differences : Work
        What the sums are compared with when they have been read back: one block for each range.
    add : (Context, Read, block) -> iterator of Write
        Adds the partial sums of a block, in place of `Quantity.compute`.
    check : (Context, Read) -> ((Read, block) -> array)
        Adds the differences, in place of `Quantity.stored_check`.
    """

    n_ranges: Callable[[Plan], int]
    parts: Work
    differences: Work
    add: Callable[[Context, Read, int], Iterator[Write]]
    check: Callable[[Context, Read], Callable[[Read, int], Array]]


@dataclass(frozen=True)
class Quantity(Work):
    """A quantity that jobs compute.

    Attributes
    ----------
    stored_check : Context -> ((Read, block) -> array)
        What all blocks share is computed once; then come the residuals of each block as it is stored.
    rows : (Plan, block) -> Region
        Where the block's residuals lie among those of all blocks.
    row_name : (Plan, row) -> str
        Names a row for people.
    again : (Context, Read, row) -> (array, array)
        A row as it is stored, and as it is when it is computed again, for a closer look at one that failed.
    residual : str or None
        Name of the array of residuals that tasks find before they write, if they look for any.
    opponent : str
        What the quantity is compared with.
    unit : str
        What rows are called.
    further : tuple of FurtherCheck
    column_name : (Plan, place) -> str
        Names an element of such a row for people.
    sums : Sums or None
        How it is split where it is a sum over very many points.
    """

    stored_check: Callable[[Context], Callable[[Read, int], Array]]
    rows: Callable[[Plan, int], Region]
    row_name: Callable[[Plan, tuple[int, ...]], str]
    again: Again = field(kw_only=True)
    residual: str | None = None
    opponent: str = "central differences"
    unit: str = "rows"
    further: tuple[FurtherCheck, ...] = ()
    column_name: Callable[[Plan, int], str] = lambda plan, place: f"input {place}"
    sums: Sums | None = None

    @property
    def receipt(self) -> str:
        """Name of the array whose chunk a task writes last."""
        return self.residual or self.name

    def split(self, plan: Plan) -> Sums | None:
        """How the quantity is split, if it is."""
        several = self.sums is not None and (plan.n_before > 0 or self.sums.n_ranges(plan) > 1)
        return self.sums if several else None


def point_span(plan: Plan, block: int) -> slice:
    """The points of a block."""
    start = block * plan.points_per_block
    return slice(start, min(start + plan.points_per_block, plan.n_points))


Receipts = Callable[[Work, Plan], list[ArraySpec]]
"""The arrays by whose chunks a block is known to be done."""


def computed_arrays(record: Work, plan: Plan) -> list[ArraySpec]:
    """What the task that computes a block writes to."""
    return [spec for spec in record.arrays(plan) if spec.name != record.read_back]


def read_back_arrays(record: Work, plan: Plan) -> list[ArraySpec]:
    """What the task that reads a block back writes to."""
    return [spec for spec in record.arrays(plan) if spec.name == record.read_back]


def read_back_array(quantity: str, like: ArraySpec) -> ArraySpec:
    """The array of residuals of what has been read back; it lies as the quantity's rows do."""
    meaning = {**like.attributes, "long_name": "the same for what has been read back from the store"}
    return replace(like, name=f"{quantity}_read_back", dtype="float64", attributes=meaning)


def earlier_parts(context: Context, name: str, region: Region) -> Iterator[Array]:
    """That part of the earlier result's array, if there is one."""
    if context.earlier is not None:
        yield context.earlier(name, region)


def n_point_blocks(plan: Plan) -> int:
    """Blocks of points."""
    return -(-plan.n_points // plan.points_per_block)


def points_label(plan: Plan, block: int) -> str:
    """A block of points, for people."""
    return span_label(point_span(plan, block))


def span_label(span: slice) -> str:
    """Some points, for people."""
    return f"points {span.start} to {span.stop - 1}"


def computed_again(stored: Array, again: Array, scale: Array) -> Array:
    """Residuals of stored numbers against the same ones computed again, perhaps by another machine.

    They differ by their own rounding, and by that of sums in another order: at most 10⁴ roundings of ``scale``.
    """
    own = float(np.finfo(stored.dtype).eps) * np.abs(again) if stored.dtype != again.dtype else 0.0
    return residuals(stored - again, 1e4 * UNIT_ROUNDOFF * scale + own + np.finfo(np.float64).tiny)


def weight_name(plan: Plan, row: int) -> str:
    """A weight, as people name it: tensor and indices."""
    for name, shape, offset in plan.weights:
        if offset <= row < offset + math.prod(shape):
            indices = np.unravel_index(row - offset, shape) if shape else ()
            return f"{name}[{', '.join(str(int(i)) for i in indices)}]"
    raise IndexError(row)
