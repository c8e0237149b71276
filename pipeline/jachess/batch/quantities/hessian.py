"""The Hessian ∂²E/∂w_i∂w_j (W, W) of the error summed over all points, in strips from the diagonal to the right.

A strip is computed once and stored twice, as it is and transposed below the diagonal. The same for its outer-product
form Σ_n Jᵀ A J, which is compared with central differences of the outputs' errors, gone back through the network as
it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from jachess.backprop.differences import residuals
from jachess.backprop.gradient_look import Looks
from jachess.backprop.hessian import COLLECTED, PERTURBED, hessian_block, hessian_strip
from jachess.backprop.hessian_check import SAMPLES, check_hessian_rows
from jachess.batch.measure import timed
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import CHUNK, ArraySpec, Region
from jachess.batch.quantities.gradient import LABELS
from jachess.batch.quantities.memory import DIFFERENCE, pass_memory
from jachess.batch.quantities.record import (
    Context,
    FurtherCheck,
    Quantity,
    Read,
    Row,
    Write,
    read_back_array,
    weight_name,
)
from jachess.network.graph import Array
from jachess.network.head import Head

_FIELDS = ["weight_i", "weight_j", "analytical", "numerical", "residual"]


def n_strips(plan: Plan) -> int:
    """Strips of the matrix: blocks of work, and rows of chunks."""
    return -(-plan.n_weights // plan.strip)


def strip_rows(plan: Plan, block: int) -> slice:
    """The rows of a strip."""
    return slice(block * plan.strip, min((block + 1) * plan.strip, plan.n_weights))


def strip_label(plan: Plan, block: int) -> str:
    """Rows, for people."""
    return f"rows {strip_rows(plan, block).start} to {strip_rows(plan, block).stop - 1}"


def strip_region(plan: Plan, block: int) -> Region:
    """The rows of a strip, as a region of the residuals."""
    return (strip_rows(plan, block),)


def row_label(plan: Plan, row: tuple[int, ...]) -> str:
    """A row, for people."""
    return f"weight {weight_name(plan, row[0])}"


def symmetry(name: str, columns: Callable[[Plan, int], slice]) -> FurtherCheck:
    """The check of a matrix for symmetry, strip by strip; ``columns`` are those that are stored of a strip.

    A run stores both triangles from one, so any difference across the diagonal is a later one.
    """

    def stored_check(context: Context) -> Callable[[Read, int], Array]:
        def check(read: Read, block: int) -> Array:
            rows, across = strip_rows(context.plan, block), columns(context.plan, block)
            worst = np.zeros(rows.stop - rows.start)
            for start in range(rows.start, across.stop, context.plan.strip):
                beyond = slice(start, min(start + context.plan.strip, across.stop))
                right, down = read(name, (rows, beyond)), read(name, (beyond, rows)).T
                rounding = float(np.finfo(right.dtype).eps) * np.maximum(np.abs(right), np.abs(down))
                worst = np.maximum(worst, residuals(right - down, rounding).max(axis=1))
            return worst

        return check

    def across_and_down(context: Context, read: Read, row: Row) -> tuple[Array, Array]:
        plan, one = context.plan, slice(row[0], row[0] + 1)
        stored = columns(plan, row[0] // plan.strip)
        pair = np.zeros((2, plan.n_weights))
        pair[:, stored] = read(name, (one, stored))[0], read(name, (stored, one))[:, 0]
        return pair[0], pair[1]

    return FurtherCheck(
        f"symmetry of the {name}",
        stored_check,
        strip_region,
        row_label,
        "the columns of the same weights",
        applies=lambda plan: plan.triangle == "both",
        again=across_and_down,
    )


def strip_memory(plan: Plan, width: int, n_entering: int) -> int:
    """Bytes of a strip so wide, with so many weights entering, while it is computed, checked and written."""
    strip, values = plan.strip * width, plan.value_width
    passed = plan.points_at_once * (values + plan.working_width)
    rows = min(values, plan.strip, max(1, PERTURBED // passed))  # no more units than values
    factors = plan.points_at_once * 2 * values
    collected = factors * min(values, plan.strip, max(1, COLLECTED // factors))
    # the strip, the sums of responses and of tangents that go there, what is collected for one product, twice while it
    # is joined, and gradients at all offsets, for each step and direction; later the strip and its transpose, and
    # Zarr's copies of the chunks that it writes at once; tangents of all values for some rows
    arrays = strip + 2 * plan.strip * n_entering + 2 * collected + 60 * plan.n_weights
    return 8 * arrays + min(20 * CHUNK, 8 * 2 * strip) + pass_memory(plan, plan.points_at_once, DIFFERENCE + rows, rows)


def _memory(plan: Plan) -> int:
    return strip_memory(plan, plan.n_weights, max(plan.n_entering, plan.n_weights))


def _operations(plan: Plan) -> float:
    return 1.0 * plan.n_points * plan.n_weights**2


@dataclass(frozen=True)
class _Form:
    """A form of the second derivatives.

    Attributes
    ----------
    name : str
        Of the quantity.
    meaning : str
        What it is, with the name of the error function left open.
    seed : int
    outer_product : bool
    """

    name: str
    meaning: str
    seed: int
    outer_product: bool = False

    def head(self, context: Context) -> Head:
        """The head, whose second derivatives are of this form."""
        return replace(context.error_head(), outer_product=self.outer_product)

    def arrays(self, plan: Plan) -> list[ArraySpec]:
        """The matrix, samples of it, and residuals."""
        w, edge, n = plan.n_weights, plan.strip, n_strips(plan)
        meaning = {
            "long_name": self.meaning.format(plan.error),
            "triangle": plan.triangle,
            "coordinates": f"{LABELS} {LABELS.replace('_i', '_j')}",
        }
        sampled = {"fields": _FIELDS, "long_name": "single elements against their central differences"}
        meaning_of_residual = {
            "long_name": "discrepancy from central differences over its tolerance",
            "coordinates": LABELS,
        }
        residual = ArraySpec(f"{self.name}_residual", ("weight_i",), (w,), (edge,), "float64", meaning_of_residual)
        return [
            ArraySpec(
                self.name,
                ("weight_i", "weight_j"),
                (w, w),
                (edge, edge),
                plan.dtype,
                meaning,
                left_out=0 if plan.triangle == "both" else n * (n - 1) // 2,
                owner=np.minimum if plan.triangle == "both" else lambda i, j: np.where(i <= j, i, -1),
            ),
            ArraySpec(
                f"{self.name}_sample",
                (f"{self.name}_block", f"{self.name}_sample_number", f"{self.name}_sample_field"),
                (n, SAMPLES, len(_FIELDS)),
                (1, SAMPLES, len(_FIELDS)),
                "float64",
                sampled,
            ),
            residual,
            read_back_array(self.name, residual),
        ]

    def compute(self, context: Context, block: int) -> Iterator[Write]:
        """The strip, on both sides of the diagonal if that is asked for, and what its check finds."""
        plan, rows, head = context.plan, strip_rows(context.plan, block), self.head(context)
        columns = slice(rows.start, plan.n_weights)
        strip = hessian_strip(head, context.all_chunks(), rows).astype(plan.dtype, copy=False)
        with timed("checks"):
            check = check_hessian_rows(head, context.all_chunks(), strip, rows, columns, (self.seed, block))
        yield self.name, (rows, columns), strip
        if plan.triangle == "both" and rows.stop < plan.n_weights:
            below = np.ascontiguousarray(strip[:, len(strip) :].T)
            yield self.name, (slice(rows.stop, plan.n_weights), rows), below
        samples = (slice(block, block + 1), slice(0, SAMPLES), slice(0, len(_FIELDS)))
        yield f"{self.name}_sample", samples, check.samples[None]
        yield f"{self.name}_residual", (rows,), check.residual

    def stored_check(self, context: Context) -> Callable[[Read, int], Array]:
        """Whole rows, so that each stored element takes part; what is not stored is read across the diagonal."""
        plan = context.plan
        looks = Looks(self.head(context), context.all_chunks(), (self.seed, plan.n_weights))

        def check(read: Read, block: int) -> Array:
            rows = strip_rows(plan, block)

            def pieces() -> Iterator[tuple[slice, Array]]:
                for other in range(n_strips(plan)):
                    columns = strip_rows(plan, other)
                    if plan.triangle == "both" or block <= other:
                        yield columns, read(self.name, (rows, columns))
                    else:
                        yield columns, read(self.name, (columns, rows)).T

            return looks.check(rows, pieces)

        return check

    def again(self, context: Context, read: Read, row: Row) -> tuple[Array, Array]:
        """A row, read in pieces and by one perturbed unit."""
        (i,), plan = row, context.plan
        one, whole, stored = slice(i, i + 1), slice(0, plan.n_weights), np.empty(plan.n_weights)
        for other in range(n_strips(plan)):
            columns = strip_rows(plan, other)
            left = plan.triangle == "upper" and columns.stop <= i
            stored[columns] = read(self.name, (columns, one))[:, 0] if left else read(self.name, (one, columns))[0]
        return stored, hessian_block(self.head(context), context.all_chunks(), one, whole)[0]

    def quantity(self) -> Quantity:
        """The record."""
        return Quantity(
            self.name,
            self.arrays,
            n_strips,
            strip_label,
            _memory,
            _operations,
            self.compute,
            self.stored_check,
            strip_region,
            row_label,
            f"{self.name}_residual",
            further=(symmetry(self.name, lambda plan, block: slice(0, plan.n_weights)),),
            again=self.again,
            column_name=weight_name,
        )


HESSIAN = _Form("hessian", "second derivatives of the {} error with respect to the weights", 3).quantity()
OUTER_PRODUCT = _Form(
    "outer_product", "outer-product form of the second derivatives of the {} error", 4, outer_product=True
).quantity()
