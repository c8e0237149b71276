"""The Hessian ∂²E/∂w_i∂w_j (W, W) of the error summed over all points, in strips from the diagonal to the right.

Strips have about as many elements each, so the further down the more rows. One is computed once and stored twice, as it
is and transposed below the diagonal. The same for the outer-product form Σ_n Jᵀ A J, which is compared with central
differences of the outputs' errors, gone back through the network as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jachess.backprop.gradient_look import Looks
from jachess.backprop.hessian import hessian_block, hessian_strip
from jachess.backprop.hessian_check import SAMPLES, check_hessian_rows
from jachess.batch.measure import timed
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import ArraySpec
from jachess.batch.quantities.differences import DIFFERENCES, OUTER_PRODUCT_DIFFERENCES
from jachess.batch.quantities.gradient import LABELS
from jachess.batch.quantities.hessian_sums import FIELDS, HessianSums
from jachess.batch.quantities.record import Context, Quantity, Read, Row, Write
from jachess.batch.quantities.rows_of_chunks import both_sides, chunk_rows, row_pieces, tall_strips
from jachess.batch.quantities.strips import Form, strip_memory
from jachess.batch.quantities.symmetry import symmetry
from jachess.network.graph import Array


def _strips(plan: Plan) -> Sequence[slice]:
    return (tall_strips if plan.tall else chunk_rows)(plan.n_weights, plan.strip)


def _memory(plan: Plan) -> int:
    return _strip_memory(plan, plan.itemsize)


def _memory_of_parts(plan: Plan) -> int:
    return _strip_memory(plan, 8)


def _strip_memory(plan: Plan, itemsize: int) -> int:
    tallest = max(rows.stop - rows.start for rows in _strips(plan))
    return strip_memory(plan, plan.n_weights, max(plan.n_entering, plan.n_weights), tallest, itemsize)


def _operations(plan: Plan) -> float:
    return 1.0 * plan.n_points * plan.n_weights**2


class _Whole(Form):
    """The whole matrix of a form."""

    def strips(self, plan: Plan) -> Sequence[slice]:
        """All have about as many elements."""
        return _strips(plan)

    def arrays(self, plan: Plan) -> list[ArraySpec]:
        """The matrix, samples of it, and residuals."""
        w, edge, strips = plan.n_weights, plan.strip, self.strips_of_chunks(plan)
        n, rows_of_chunks = len(self.strips(plan)), len(strips)
        meaning = {
            "long_name": self.meaning.format(plan.error),
            "triangle": plan.triangle,
            "coordinates": f"{LABELS} {LABELS.replace('_i', '_j')}",
        }
        sampled = {"fields": FIELDS, "long_name": "single elements against their central differences"}
        return [
            ArraySpec(
                self.name,
                ("weight_i", "weight_j"),
                (w, w),
                (edge, edge),
                plan.dtype,
                meaning,
                left_out=0 if plan.triangle == "both" else rows_of_chunks * (rows_of_chunks - 1) // 2,
                owner=lambda i, j: np.where((i <= j) | (plan.triangle == "both"), strips[np.minimum(i, j)], -1),
            ),
            ArraySpec(
                f"{self.name}_sample",
                (f"{self.name}_block", f"{self.name}_sample_number", f"{self.name}_sample_field"),
                (n, SAMPLES, len(FIELDS)),
                (1, SAMPLES, len(FIELDS)),
                "float64",
                sampled,
            ),
            *self.residuals(plan),
        ]

    def compute(self, context: Context, block: int) -> Iterator[Write]:
        """The strip, on both sides of the diagonal if that is asked for, and what its check finds."""
        plan, rows, head = context.plan, self.strips(context.plan)[block], self.head(context)
        columns = slice(rows.start, plan.n_weights)
        strip = hessian_strip(head, context.all_chunks(), rows, dtype=plan.dtype)
        with timed("checks"):
            check = check_hessian_rows(head, context.all_chunks(), strip, rows, columns, (self.seed, block))
        yield from both_sides(plan, self.name, rows, strip)
        samples = (slice(block, block + 1), slice(0, SAMPLES), slice(0, len(FIELDS)))
        yield f"{self.name}_sample", samples, check.samples[None]
        yield f"{self.name}_residual", (rows,), check.residual

    def stored_check(self, context: Context) -> Callable[[Read, int], Array]:
        """Whole rows, so that each stored element takes part; what is not stored is read across the diagonal."""
        plan = context.plan
        looks = Looks(self.head(context), context.all_chunks(), (self.seed, plan.n_weights))

        def check(read: Read, block: int) -> Array:
            rows = self.strips(plan)[block]
            return looks.check(rows, lambda: row_pieces(plan, read, self.name, rows))

        return check

    def again(self, context: Context, read: Read, row: Row) -> tuple[Array, Array]:
        """A row, read in pieces and by one perturbed unit."""
        (i,), plan = row, context.plan
        one, whole, stored = slice(i, i + 1), slice(0, plan.n_weights), np.empty(plan.n_weights)
        for columns in chunk_rows(plan.n_weights, plan.strip):
            left = plan.triangle == "upper" and columns.stop <= i
            stored[columns] = read(self.name, (columns, one))[:, 0] if left else read(self.name, (one, columns))[0]
        return stored, hessian_block(self.head(context), context.all_chunks(), one, whole)[0]

    def quantity(self) -> Quantity:
        """The record."""
        differences = OUTER_PRODUCT_DIFFERENCES if self.outer_product else DIFFERENCES
        return self.record(
            _memory,
            _operations,
            further=(symmetry(self, lambda plan, block: slice(0, plan.n_weights)),),
            sums=HessianSums(self, differences).record(_memory_of_parts, _operations),
        )


HESSIAN = _Whole("hessian", "second derivatives of the {} error with respect to the weights", 3).quantity()
OUTER_PRODUCT = _Whole(
    "outer_product", "outer-product form of the second derivatives of the {} error", 4, outer_product=True
).quantity()
