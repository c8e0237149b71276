"""What a quantity is: a record of its arrays, blocks, memory and kernel."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from jachess.backprop.differences import UNIT_ROUNDOFF, residuals
from jachess.backprop.hessian import PERTURBED
from jachess.backprop.propagation import Chunks
from jachess.backprop.r_operator import ELEMENTS
from jachess.batch.plan import Plan
from jachess.batch.points import PointSource
from jachess.network.graph import Array, Network
from jachess.network.head import Head
from jachess.network.working_arrays import KEPT

Region = tuple[slice, ...]
Write = tuple[str, Region, Array]
"""Name of an array, the part of it, and what to write there: whole chunks."""

Read = Callable[[str, Region], Array]
"""Gives a part of an array of the store."""

CRC_BYTES = 4
CHUNK = 8 * 2**20
"""Bytes of a stored chunk, where there is enough to store."""


@dataclass(frozen=True)
class ArraySpec:
    """An array of the store.

    Attributes
    ----------
    name : str
    dimensions : tuple of str
    shape, chunks : tuple of int
    dtype : str
    attributes : mapping
    left_out : int
        Chunks that are never written.
    owner : function of a chunk's indices (open grids) -> array
        The block that writes it, -1 for none; by default the first index.
    fill : float
        What chunks that are not there read as.
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    left_out: int = 0
    owner: Callable[..., Array] = lambda first, *_: first
    fill: float = np.nan

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk's file: chunks at the edges are whole too, and each has its checksum."""
        return math.prod(self.chunks) * int(np.dtype(self.dtype).itemsize) + CRC_BYTES

    @property
    def grid(self) -> tuple[int, ...]:
        """Chunks along each axis."""
        return tuple(-(-length // chunk) for length, chunk in zip(self.shape, self.chunks, strict=True))

    @property
    def owners(self) -> Array:
        """The block that writes each chunk (grid), -1 for none."""
        return np.broadcast_to(self.owner(*np.ogrid[tuple(slice(n) for n in self.grid)]), self.grid)

    def touched(self, region: Region) -> Iterator[tuple[int, ...]]:
        """Indices of the chunks that a region touches."""
        spans = (range(s.start // c, -(-s.stop // c)) for s, c in zip(region, self.chunks, strict=True))
        return itertools.product(*spans)

    @property
    def stored_bytes(self) -> int:
        """Bytes of all chunks that are written."""
        return (math.prod(self.grid) - self.left_out) * self.chunk_bytes


@dataclass(frozen=True)
class Context:
    """What a worker needs to compute blocks: it is made once in each."""

    network: Network
    head: Head | None
    source: PointSource
    plan: Plan

    def all_chunks(self) -> Chunks:
        """All points and targets, in the pieces that the plan says."""
        return lambda: self.source.chunks(0, self.plan.n_points, self.plan.points_at_once)

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
class Quantity:
    """A quantity that jobs compute.

    Attributes
    ----------
    name : str
    arrays : Plan -> list of ArraySpec
        The quantity itself first.
    n_blocks : Plan -> int
    label : (Plan, block) -> str
        Names a block for people.
    memory : Plan -> int
        Bytes of one task, above those of an idle worker.
    operations : Plan -> float
        Floating-point operations of all blocks.
    compute : (Context, block) -> iterator of Write
        In the order in which they must be written, the receipt last.
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
    further : tuple of FurtherCheck
    column_name : (Plan, place) -> str
        Names an element of such a row for people.
    """

    name: str
    arrays: Callable[[Plan], list[ArraySpec]]
    n_blocks: Callable[[Plan], int]
    label: Callable[[Plan, int], str]
    memory: Callable[[Plan], int]
    operations: Callable[[Plan], float]
    compute: Callable[[Context, int], Iterator[Write]]
    stored_check: Callable[[Context], Callable[[Read, int], Array]]
    rows: Callable[[Plan, int], Region]
    row_name: Callable[[Plan, tuple[int, ...]], str]
    again: Again = field(kw_only=True)
    residual: str | None = None
    opponent: str = "central differences"
    unit: str = "rows"
    further: tuple[FurtherCheck, ...] = ()
    column_name: Callable[[Plan, int], str] = lambda plan, place: f"input {place}"

    @property
    def read_back(self) -> str:
        """Name of the array of residuals of what has been read back from the store."""
        return f"{self.name}_read_back"

    @property
    def receipt(self) -> str:
        """Name of the array whose chunk a task writes last."""
        return self.residual or self.name


def point_span(plan: Plan, block: int) -> slice:
    """The points of a block."""
    start = block * plan.points_per_block
    return slice(start, min(start + plan.points_per_block, plan.n_points))


Receipts = Callable[[Quantity, Plan], list[ArraySpec]]
"""The arrays by whose chunks a block is known to be done."""


def computed_arrays(record: Quantity, plan: Plan) -> list[ArraySpec]:
    """What the task that computes a block writes to."""
    return [spec for spec in record.arrays(plan) if spec.name != record.read_back]


def read_back_arrays(record: Quantity, plan: Plan) -> list[ArraySpec]:
    """What the task that reads a block back writes to."""
    return [spec for spec in record.arrays(plan) if spec.name == record.read_back]


def read_back_array(quantity: str, like: ArraySpec) -> ArraySpec:
    """The array of residuals of what has been read back; it lies as the quantity's rows do."""
    meaning = {**like.attributes, "long_name": "the same for what has been read back from the store"}
    return replace(like, name=f"{quantity}_read_back", dtype="float64", attributes=meaning)


def n_point_blocks(plan: Plan) -> int:
    """Blocks of points."""
    return -(-plan.n_points // plan.points_per_block)


def points_label(plan: Plan, block: int) -> str:
    """A block of points, for people."""
    return span_label(point_span(plan, block))


def span_label(span: slice) -> str:
    """Some points, for people."""
    return f"points {span.start} to {span.stop - 1}"


def pass_memory(plan: Plan) -> int:
    """Bytes of the passes over one chunk of points: tangents, responses and values, and spare buffers."""
    values = plan.points_at_once * plan.value_width
    return 8 * (3 * max(ELEMENTS, PERTURBED, values) + 12 * values) + KEPT


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
