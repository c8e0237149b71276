"""The gradient ∂E/∂w (W,) of the error summed over all points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from jachess.backprop.gradient import gradient
from jachess.backprop.gradient_look import DIRECTIONS
from jachess.backprop.hessian_check import check_gradient
from jachess.batch.measure import timed
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import ArraySpec
from jachess.batch.quantities.memory import DIFFERENCE, pass_memory
from jachess.batch.quantities.record import (
    Context,
    FurtherCheck,
    Quantity,
    Read,
    Row,
    Write,
    computed_again,
    read_back_array,
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
GRADIENT = Quantity(
    "gradient",
    _arrays,
    lambda plan: 1,
    lambda plan, block: "all weights",
    lambda plan: pass_memory(plan, plan.points_at_once, DIFFERENCE) + 8 * 60 * plan.n_weights,
    lambda plan: 6.0 * plan.n_points * plan.n_weights,
    _compute,
    _stored_check,
    lambda plan, block: (slice(0, DIRECTIONS),),
    lambda plan, row: f"direction {row[0]}",
    "gradient_residual",
    further=(ELEMENTS,),
    again=_again,
    column_name=weight_name,
)
