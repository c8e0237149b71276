"""The blocks of the Hessian that belong to single weight tensors, and those of its outer-product form (W, W).

The array is that of the whole matrix, and zero outside of the blocks; chunks that no block touches are not there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from jachess.backprop.hessian import hessian_block, hessian_strip
from jachess.backprop.hessian_check import check_hessian_rows
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import ArraySpec
from jachess.batch.quantities.gradient import LABELS
from jachess.batch.quantities.record import Context, Quantity, Read, Row, Write
from jachess.batch.quantities.rows_of_chunks import both_sides, chunk_rows
from jachess.batch.quantities.strips import Form, strip_memory
from jachess.batch.quantities.symmetry import symmetry
from jachess.network.graph import Array


def _tensors(plan: Plan) -> list[slice]:
    return [slice(offset, offset + math.prod(shape)) for _, shape, offset in plan.weights if math.prod(shape)]


def _parts(plan: Plan, rows: slice) -> list[tuple[slice, slice]]:
    """The rows of each tensor that lie among these, and the tensor."""
    spans = ((slice(max(rows.start, t.start), min(rows.stop, t.stop)), t) for t in _tensors(plan))
    return [(part, tensor) for part, tensor in spans if part.start < part.stop]


def _end(plan: Plan, block: int) -> int:
    """Where the chunks of a strip end: those that its last tensor touches."""
    last: int = max(tensor.stop for _, tensor in _parts(plan, chunk_rows(plan.n_weights, plan.strip)[block]))
    return min(-(-last // plan.strip) * plan.strip, plan.n_weights)


def _stored_columns(plan: Plan, block: int) -> slice:
    """The columns of the chunks of a strip."""
    rows = chunk_rows(plan.n_weights, plan.strip)[block]
    first = min(tensor.start for _, tensor in _parts(plan, rows)) if plan.triangle == "both" else rows.start
    return slice(first // plan.strip * plan.strip, _end(plan, block))


def _memory(plan: Plan) -> int:
    widest = min(
        max((tensor.stop - tensor.start for tensor in _tensors(plan)), default=0) + 2 * plan.strip, plan.n_weights
    )
    n_entering = min(2 * widest, max(plan.n_entering, plan.n_weights))
    return strip_memory(plan, widest, n_entering, plan.strip, plan.itemsize) + plan.itemsize * plan.strip * widest


def _operations(plan: Plan) -> float:
    elements: int = sum((tensor.stop - tensor.start) ** 2 for tensor in _tensors(plan))
    return 1.0 * plan.n_points * elements


class _Blocks(Form):
    """The blocks of a form."""

    def arrays(self, plan: Plan) -> list[ArraySpec]:
        """The matrix, and residuals."""
        w, edge, n, both = plan.n_weights, plan.strip, len(self.strips(plan)), plan.triangle == "both"
        last = np.array([-(-_end(plan, block) // edge) - 1 for block in range(n)])
        above = int((last - np.arange(n) + 1).sum())

        def owner(i: Array, j: Array) -> Array:
            low, high = np.minimum(i, j), np.maximum(i, j)
            return np.where((high <= last[low]) & (both | (i <= j)), low, -1)

        meaning = {
            "long_name": self.meaning.format(plan.error),
            "triangle": plan.triangle,
            "coordinates": f"{LABELS} {LABELS.replace('_i', '_j')}",
        }
        return [
            ArraySpec(
                self.name,
                ("weight_i", "weight_j"),
                (w, w),
                (edge, edge),
                plan.dtype,
                meaning,
                left_out=n * n - (2 * above - n if both else above),
                owner=owner,
                fill=0.0,
            ),
            *self.residuals(plan),
        ]

    def compute(self, context: Context, block: int) -> Iterator[Write]:
        """The strip as far as its tensors go, on both sides of the diagonal if that is asked for, and its residuals."""
        plan, rows, head = context.plan, self.strips(context.plan)[block], self.head(context)
        columns = slice(rows.start, _end(plan, block))
        strip = np.zeros((rows.stop - rows.start, columns.stop - columns.start), plan.dtype)
        residual = np.zeros(len(strip))
        for part, tensor in _parts(plan, rows):
            inside, across = _from(rows.start, part), _from(rows.start, slice(part.start, tensor.stop))
            found = hessian_strip(head, context.all_chunks(), part, tensor.stop, plan.dtype)
            strip[inside, across] = found
            residual[inside] = self._check(context, found, part, slice(part.start, tensor.stop), (block, 0))
        yield from both_sides(plan, self.name, rows, strip)
        yield f"{self.name}_residual", (rows,), residual

    def _check(self, context: Context, found: Array, part: slice, columns: slice, seed: tuple[int, ...]) -> Array:
        seeds = (self.seed, *seed, part.start)
        return check_hessian_rows(self.head(context), context.all_chunks(), found, part, columns, seeds).residual

    def stored_check(self, context: Context) -> Callable[[Read, int], Array]:
        """The rows as far as they are stored; what is not of a block must be zero."""
        plan = context.plan

        def check(read: Read, block: int) -> Array:
            rows = chunk_rows(plan.n_weights, plan.strip)[block]
            columns = _stored_columns(plan, block)
            stored, residual = read(self.name, (rows, columns)), np.zeros(rows.stop - rows.start)
            for part, tensor in _parts(plan, rows):
                span = slice(max(tensor.start, columns.start), tensor.stop)
                inside, across = _from(rows.start, part), _from(columns.start, span)
                found = stored[inside, across].copy()
                residual[inside] = self._check(context, found, part, span, (block, 1))
                stored[inside, across] = 0
            residual[(stored != 0).any(axis=1)] = np.inf
            return residual

        return check

    def again(self, context: Context, read: Read, row: Row) -> tuple[Array, Array]:
        """A row as far as it is stored; it is zero outside of its tensor."""
        (i,), plan = row, context.plan
        columns, one = _stored_columns(plan, i // plan.strip), slice(i, i + 1)
        stored, again = np.zeros(plan.n_weights), np.zeros(plan.n_weights)
        stored[columns] = read(self.name, (one, columns))[0]
        tensor = next(tensor for tensor in _tensors(plan) if tensor.start <= i < tensor.stop)
        span = slice(max(tensor.start, columns.start), tensor.stop)
        again[span] = hessian_block(self.head(context), context.all_chunks(), one, span)[0]
        return stored, again

    def quantity(self) -> Quantity:
        """The record."""
        return self.record(_memory, _operations, further=(symmetry(self, _stored_columns),))


def _from(start: int, span: slice) -> slice:
    """A range, counted from ``start``."""
    return slice(span.start - start, span.stop - start)


BLOCK_DIAGONAL = _Blocks(
    "block_diagonal", "second derivatives of the {} error with respect to the weights of one tensor", 7
).quantity()
OUTER_PRODUCT_BLOCKS = _Blocks(
    "outer_product_blocks", "outer-product form of the second derivatives of the {} error, by tensor", 8, True
).quantity()
