"""The gradient ∂E/∂w (W,) of the error summed over all points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

import numpy as np

from jachess.backprop.differences import second_look
from jachess.backprop.gradient import gradient
from jachess.backprop.gradient_difference import slope_residuals
from jachess.backprop.gradient_look import DIRECTIONS
from jachess.backprop.hessian_check import check_gradient
from jachess.batch.measure import timed
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import ArraySpec
from jachess.batch.quantities.differences import DIFFERENCES, read_differences
from jachess.batch.quantities.memory import DIFFERENCE, pass_memory
from jachess.batch.quantities.ranges import FOLDER, n_ranges, pairwise_sum, range_span, worst_of_ranges
from jachess.batch.quantities.record import (
    Context,
    FurtherCheck,
    Quantity,
    Read,
    Row,
    Sums,
    Work,
    Write,
    computed_again,
    earlier_parts,
    read_back_array,
    span_label,
    weight_name,
)
from jachess.network.graph import Array

_SEED = 2
PIECES = 256
"""Into how many pieces the points are cut, or more, to see the size of the terms that make up a gradient."""
LABELS = "layer_i unit_i input_i"


def _arrays(plan: Plan) -> list[ArraySpec]:
    w = plan.n_weights
    meaning = {"long_name": f"derivative of the {plan.error} error with respect to each weight", "coordinates": LABELS}
    residual = {"long_name": "discrepancy from central differences of E along random directions, over its tolerance"}
    found = ArraySpec("gradient_residual", ("direction",), (DIRECTIONS,), (DIRECTIONS,), "float64", residual)
    return [
        ArraySpec("gradient", ("weight_i",), (w,), (w,), plan.dtype, meaning),
        found,
        read_back_array("gradient", found),
    ]


def _compute(context: Context, block: int) -> Iterator[Write]:
    found = gradient(context.error_head(), context.all_chunks()).astype(context.plan.dtype, copy=False)
    with timed("checks"):
        residual = check_gradient(context.error_head(), context.all_chunks(), found, (_SEED, block))
    yield "gradient", (slice(0, len(found)),), found
    yield "gradient_residual", (slice(0, DIRECTIONS),), residual


def _stored_check(context: Context) -> Callable[[Read, int], Array]:
    def check(read: Read, block: int) -> Array:
        stored = read("gradient", (slice(0, context.plan.n_weights),))
        return check_gradient(context.error_head(), context.all_chunks(), stored, (_SEED, block, 1))

    return check


def _element_check(context: Context) -> Callable[[Read, int], Array]:
    """Each element, which differences of E along a direction do not tell apart.

    At a minimum of E the points' terms cancel, so their rounding is measured by those of some points each.
    """

    def check(read: Read, block: int) -> Array:
        plan, head, scale = context.plan, context.error_head(), np.zeros(context.plan.n_weights)
        few = max(1, min(plan.points_at_once, plan.n_points // PIECES))
        for chunk in context.source.chunks(0, plan.n_points, few):
            scale += np.abs(gradient(head, partial(list, [chunk])))
        stored = read("gradient", (slice(0, plan.n_weights),))
        return computed_again(stored, gradient(head, context.all_chunks()), scale)

    return check


def _memory(plan: Plan) -> int:
    return pass_memory(plan, plan.points_at_once, DIFFERENCE) + 8 * 60 * plan.n_weights


def _operations(plan: Plan) -> float:
    return 6.0 * plan.n_points * plan.n_weights


def _compute_part(context: Context, number: int) -> Iterator[Write]:
    head, span, ranges = context.error_head(), range_span(context.plan, 1, number), slice(number, number + 1)
    part = gradient(head, context.chunks(span))
    with timed("checks"):
        residual = check_gradient(head, context.chunks(span), part, (_SEED, 0, 2, number))
    yield PARTS, (ranges, slice(0, len(part))), part[None]
    yield f"{PARTS}_residual", (ranges, slice(0, DIRECTIONS)), residual[None]


def _part_arrays(plan: Plan) -> list[ArraySpec]:
    n, w = n_ranges(plan, 1), plan.n_weights
    return [
        ArraySpec(PARTS, ("range", "weight_i"), (n, w), (1, w), "float64"),
        ArraySpec(f"{PARTS}_residual", ("range", "direction"), (n, DIRECTIONS), (1, DIRECTIONS), "float64"),
    ]


def _add(context: Context, read: Read, block: int) -> Iterator[Write]:
    n, everything, directions = n_ranges(context.plan, 1), slice(0, context.plan.n_weights), slice(0, DIRECTIONS)
    parts = (read(PARTS, (slice(r, r + 1), everything))[0] for r in range(n))
    whole = pairwise_sum(chain(earlier_parts(context, "gradient", (everything,)), parts))
    yield "gradient", (everything,), whole.astype(context.plan.dtype, copy=False)
    residuals = read(f"{PARTS}_residual", (slice(0, n), directions))
    before = earlier_parts(context, "gradient_residual", (directions,))
    yield "gradient_residual", (directions,), worst_of_ranges(np.stack([*before, *residuals]))


def _check_sum(context: Context, read_parts: Read) -> Callable[[Read, int], Array]:
    directions, differences = read_differences(context, read_parts, DIFFERENCES)
    known = list(earlier_parts(context, "gradient", (slice(0, context.plan.n_weights),)))
    check_all = _stored_check(context)

    def check(read: Read, block: int) -> Array:
        stored = read("gradient", (slice(0, context.plan.n_weights),))
        found = slope_residuals([stored] * len(directions), directions, differences, known)
        return second_look(found, check_all(read, block)) if (found > 1).any() else found

    return check


def _again(context: Context, read: Read, row: Row) -> tuple[Array, Array]:
    """All of it: a direction says nothing of single weights."""
    return read("gradient", (slice(0, context.plan.n_weights),)), gradient(context.error_head(), context.all_chunks())


ELEMENTS = FurtherCheck(
    "the gradient",
    _element_check,
    lambda plan, block: (slice(0, plan.n_weights),),
    lambda plan, row: f"weight {weight_name(plan, row[0])}",
    "a second backpropagation",
    unit="elements",
)


PARTS = f"{FOLDER}/gradient"
_PARTS = Work(
    PARTS,
    _part_arrays,
    lambda plan: n_ranges(plan, 1),
    lambda plan, block: span_label(range_span(plan, 1, block)),
    _memory,
    _operations,
    _compute_part,
    last=f"{PARTS}_residual",
)

GRADIENT = Quantity(
    "gradient",
    _arrays,
    lambda plan: 1,
    lambda plan, block: "all weights",
    _memory,
    _operations,
    _compute,
    _stored_check,
    lambda plan, block: (slice(0, DIRECTIONS),),
    lambda plan, row: f"direction {row[0]}",
    "gradient_residual",
    further=(ELEMENTS,),
    again=_again,
    column_name=weight_name,
    sums=Sums(lambda plan: n_ranges(plan, 1), _PARTS, DIFFERENCES, _add, _check_sum),
)
