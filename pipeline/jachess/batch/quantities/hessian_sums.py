"""Sums over points of the Hessian, or of its outer-product form, split into ranges of points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from jachess.backprop.differences import second_look
from jachess.backprop.gradient_look import Look, Looks
from jachess.backprop.hessian import hessian_strip
from jachess.backprop.hessian_check import SAMPLES, check_hessian_rows
from jachess.backprop.row_products import row_products
from jachess.batch.measure import timed
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import CHUNK, ArraySpec
from jachess.batch.quantities.differences import read_differences
from jachess.batch.quantities.ranges import FOLDER, TASKS, n_ranges, pairwise_sum, range_span, worst_of_ranges
from jachess.batch.quantities.record import Context, Read, Sums, Work, Write, earlier_parts, span_label
from jachess.batch.quantities.rows_of_chunks import both_sides, cut, right_of_diagonal, row_pieces
from jachess.batch.quantities.strips import Form
from jachess.network.graph import Array

OPERATIONS = 1 << 38
"""Operations of a task, at least, where a partial sum is more than a chunk and has to be written, read and added."""
FIELDS = ["weight_i", "weight_j", "analytical", "numerical", "residual"]
"""What is known of each sampled element."""


@dataclass(frozen=True)
class HessianSums:
    """The partial sums of a form of the second derivatives, and how they are added and checked.

    Attributes
    ----------
    form : Form
    differences : Work
        Of the gradient, in the same form.
    """

    form: Form
    differences: Work

    @property
    def parts(self) -> str:
        """Name of the partial sums."""
        return f"{FOLDER}/{self.form.name}"

    def n_ranges(self, plan: Plan) -> int:
        """Ranges of points that each strip is split into."""
        return n_ranges(plan, *self._split(plan))

    def _span(self, plan: Plan, number: int) -> slice:
        n_strips, most = self._split(plan)
        return range_span(plan, n_strips, number, most)

    def _split(self, plan: Plan) -> tuple[int, int]:
        """Strips, and ranges of each that are worth their partial sums."""
        n_strips, elements = len(self.form.strips(plan)), plan.n_weights**2
        operations = (plan.n_points - plan.n_before) * elements
        return n_strips, TASKS if 8 * elements <= CHUNK else max(1, operations // (n_strips * OPERATIONS))

    def _label(self, plan: Plan, block: int) -> str:
        strip, number = divmod(block, self.n_ranges(plan))
        return f"{self.form.label(plan, strip)}, {span_label(self._span(plan, number))}"

    def arrays(self, plan: Plan) -> list[ArraySpec]:
        """Partial sums on and right of the diagonal, samples and residuals."""
        r, w, edge, strips = self.n_ranges(plan), plan.n_weights, plan.strip, self.form.strips_of_chunks(plan)
        n, rows_of_chunks = len(self.form.strips(plan)), len(strips)
        return [
            ArraySpec(
                self.parts,
                ("range", "weight_i", "weight_j"),
                (r, w, w),
                (1, edge, edge),
                "float64",
                left_out=r * rows_of_chunks * (rows_of_chunks - 1) // 2,
                owner=lambda number, i, j: np.where(i <= j, strips[i] * r + number, -1),
            ),
            ArraySpec(
                f"{self.parts}_sample",
                ("range", "block", "sample_number", "sample_field"),
                (r, n, SAMPLES, len(FIELDS)),
                (1, 1, SAMPLES, len(FIELDS)),
                "float64",
                owner=lambda number, strip, *_: strip * r + number,
            ),
            ArraySpec(
                f"{self.parts}_residual",
                ("range", "weight_i"),
                (r, w),
                (1, edge),
                "float64",
                owner=lambda number, i: strips[i] * r + number,
            ),
        ]

    def compute(self, context: Context, block: int) -> Iterator[Write]:
        """A strip of one range's points, and what its check finds."""
        plan, head = context.plan, self.form.head(context)
        strip, number = divmod(block, self.n_ranges(plan))
        rows, chunks = self.form.strips(plan)[strip], context.chunks(self._span(plan, number))
        ranges = slice(number, number + 1)
        columns = slice(rows.start, plan.n_weights)
        part = hessian_strip(head, chunks, rows)
        random = np.random.default_rng((self.form.seed, strip))  # the same elements of all ranges
        sampled = random.integers(len(part), size=SAMPLES), int(random.integers(columns.start, columns.stop))
        with timed("checks"):
            check = check_hessian_rows(head, chunks, part, rows, columns, (self.form.seed, strip, 2, number), sampled)
        where = (ranges, slice(strip, strip + 1), slice(0, SAMPLES), slice(0, len(FIELDS)))
        for own, beyond, right in right_of_diagonal(plan, rows, part):
            yield self.parts, (ranges, own, beyond), right[None]
        yield f"{self.parts}_sample", where, check.samples[None, None]
        yield f"{self.parts}_residual", (ranges, rows), check.residual[None]

    def add(self, context: Context, read: Read, block: int) -> Iterator[Write]:
        """A strip of the whole, chunk by chunk; of its samples and residuals what the ranges' own say."""
        plan, rows = context.plan, self.form.strips(context.plan)[block]
        ranges = slice(0, self.n_ranges(plan))
        for own in cut(rows, plan.strip):
            yield from both_sides(plan, self.form.name, own, self._row_of_chunks(context, read, own))
        one, where = slice(block, block + 1), (slice(0, SAMPLES), slice(0, len(FIELDS)))
        samples = read(f"{self.parts}_sample", (ranges, one, *where))[:, 0]
        whole = samples[0].copy()
        whole[:, 2:4], whole[:, 4] = pairwise_sum(samples[:, :, 2:4]), worst_of_ranges(samples[:, :, 4])
        for i, sample in enumerate(whole):  # of the earlier points nothing is differenced again
            at = tuple(slice(int(weight), int(weight) + 1) for weight in sorted(sample[:2]))
            whole[i, 2:4] += sum(float(part[0, 0]) for part in earlier_parts(context, self.form.name, at))
        yield f"{self.form.name}_sample", (one, *where), whole[None]
        residuals = read(f"{self.parts}_residual", (ranges, rows))
        before = earlier_parts(context, f"{self.form.name}_residual", (rows,))
        yield f"{self.form.name}_residual", (rows,), worst_of_ranges(np.stack([*before, *residuals]))

    def _row_of_chunks(self, context: Context, read: Read, rows: slice) -> Array:
        """What the ranges' sums add up to, from the diagonal to the right."""
        plan, n = context.plan, self.n_ranges(context.plan)
        found = np.empty((rows.stop - rows.start, plan.n_weights - rows.start), plan.dtype)
        for columns in cut(slice(rows.start, plan.n_weights), plan.strip):
            parts = (read(self.parts, (slice(r, r + 1), rows, columns))[0] for r in range(n))
            before = earlier_parts(context, self.form.name, (rows, columns))
            found[:, columns.start - rows.start : columns.stop - rows.start] = pairwise_sum(chain(before, parts))
        return found

    def check(self, context: Context, read_parts: Read) -> Callable[[Read, int], Array]:
        """Whole rows as they are stored, by the differences of all ranges; those that fail, once more as a whole."""
        plan, head, name, earlier = context.plan, self.form.head(context), self.form.name, context.earlier
        look = Look.of(head, *read_differences(context, read_parts, self.differences))
        looks = Looks(head, context.all_chunks(), (self.form.seed, plan.n_weights))

        def check(read: Read, block: int) -> Array:
            rows = self.form.strips(plan)[block]

            def pieces() -> Iterator[tuple[slice, Array]]:
                return row_pieces(plan, read, name, rows)

            found, finite = row_products(look.directions, rows, pieces)
            if earlier is not None:  # the differences are those of further points alone
                known, _ = row_products(look.directions, rows, lambda: row_pieces(plan, earlier, name, rows))
                found = [(h - part, off + its) for (h, off), (part, its) in zip(found, known, strict=True)]
            worst = look.residuals(rows, found)
            if (worst > 1).any():
                worst = second_look(worst, looks.check(rows, pieces))
            worst[~finite] = np.inf
            return worst

        return check

    def record(self, memory: Callable[[Plan], int], operations: Callable[[Plan], float]) -> Sums:
        """The record, with what one strip of all points takes."""
        parts = Work(
            self.parts,
            self.arrays,
            lambda plan: len(self.form.strips(plan)) * self.n_ranges(plan),
            self._label,
            memory,
            operations,
            self.compute,
            last=f"{self.parts}_residual",
        )
        return Sums(self.n_ranges, parts, self.differences, self.add, self.check)
