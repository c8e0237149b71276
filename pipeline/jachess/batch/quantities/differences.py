"""Differences of the gradient by ranges of points, which sums that are split are compared with when they are read back.

They serve all sums of one form, whatever ranges these are split into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from jachess.backprop.gradient_difference import GradientDifference
from jachess.backprop.summed_differences import (
    NUMBERS,
    STEPS,
    VECTORS,
    differences_of_range,
    shared_directions,
    summed_differences,
)
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import ArraySpec
from jachess.batch.quantities.memory import DIFFERENCE, pass_memory
from jachess.batch.quantities.ranges import FOLDER, n_ranges, pairwise_sum, range_span
from jachess.batch.quantities.record import Context, Read, Work, Write, span_label
from jachess.network.graph import Array

_SEED = 9


def _differences(name: str, *, outer_product: bool) -> Work:
    def arrays(plan: Plan) -> list[ArraySpec]:
        n, d, w = n_ranges(plan, 1), len(STEPS), plan.n_weights
        vectors = ("range", "direction", "difference_field", "weight_i")
        numbers = ("range", "direction", "error_field")
        return [
            ArraySpec(name, vectors, (n, d, VECTORS, w), (1, d, VECTORS, w), "float64"),
            ArraySpec(f"{name}_of_the_error", numbers, (n, d, NUMBERS), (1, d, NUMBERS), "float64"),
        ]

    def compute(context: Context, number: int) -> Iterator[Write]:
        head = replace(context.error_head(), outer_product=outer_product)
        chunks, directions = context.chunks(range_span(context.plan, 1, number)), _directions(context)
        vectors, numbers = differences_of_range(head, chunks, directions, (_SEED, number))
        where = (slice(number, number + 1), slice(0, len(STEPS)))
        yield name, (*where, slice(0, VECTORS), slice(0, context.plan.n_weights)), vectors[None]
        yield f"{name}_of_the_error", (*where, slice(0, NUMBERS)), numbers[None]

    return Work(
        name,
        arrays,
        lambda plan: n_ranges(plan, 1),
        lambda plan, block: span_label(range_span(plan, 1, block)),
        lambda plan: pass_memory(plan, plan.points_at_once, DIFFERENCE) + 8 * 60 * plan.n_weights,
        lambda plan: 60.0 * plan.n_points * plan.n_weights,
        compute,
        last=f"{name}_of_the_error",
    )


def _directions(context: Context) -> list[Array]:
    return shared_directions(context.network, _SEED)


def read_differences(context: Context, read: Read, of: Work) -> tuple[list[Array], list[GradientDifference]]:
    """The directions, and the differences of all points along them."""

    def summed(spec: ArraySpec) -> Array:
        rest = tuple(slice(0, length) for length in spec.shape[1:])
        return pairwise_sum(read(spec.name, (slice(r, r + 1), *rest))[0] for r in range(spec.shape[0]))

    vectors, numbers = map(summed, of.arrays(context.plan))
    return _directions(context), summed_differences(vectors, numbers)


DIFFERENCES = _differences(f"{FOLDER}/differences", outer_product=False)
OUTER_PRODUCT_DIFFERENCES = _differences(f"{FOLDER}/outer_product_differences", outer_product=True)
