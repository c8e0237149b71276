"""The network's outputs y (N, K)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from jachess.backprop.propagation import outputs
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import ArraySpec, Region
from jachess.batch.quantities.memory import pass_memory
from jachess.batch.quantities.record import (
    Context,
    Quantity,
    Read,
    Row,
    Write,
    computed_again,
    n_point_blocks,
    point_span,
    points_label,
    read_back_array,
)
from jachess.network.graph import Array

_RESIDUAL = "discrepancy of what has been read back from a second forward propagation, over its tolerance"


def _arrays(plan: Plan) -> list[ArraySpec]:
    shape, chunks = (plan.n_points, plan.n_outputs), (plan.points_per_block, plan.n_outputs)
    found = ArraySpec("outputs", ("point", "output"), shape, chunks, plan.dtype)
    return [found, replace(read_back_array("outputs", found), attributes={"long_name": _RESIDUAL})]


def _compute(context: Context, block: int) -> Iterator[Write]:
    span = point_span(context.plan, block)
    yield "outputs", (span, slice(0, context.plan.n_outputs)), _outputs(context, span).astype(context.plan.dtype)


def _outputs(context: Context, span: slice) -> Array:
    chunks = context.source.chunks(span.start, span.stop, context.plan.points_at_once)
    return np.concatenate([outputs(context.network, points) for points, _ in chunks])


def _rows(plan: Plan, block: int) -> Region:
    return point_span(plan, block), slice(0, plan.n_outputs)


def _stored_check(context: Context) -> Callable[[Read, int], Array]:
    """Outputs again: equal but for the rounding of another machine's sums."""

    def check(read: Read, block: int) -> Array:
        region = _rows(context.plan, block)
        stored, again = read("outputs", region), _outputs(context, region[0])
        return computed_again(stored, again, np.abs(again).max(axis=1, keepdims=True))

    return check


def _again(context: Context, read: Read, row: Row) -> tuple[Array, Array]:
    span = slice(row[0], row[0] + 1)
    return read("outputs", (span, slice(0, context.plan.n_outputs)))[0], _outputs(context, span)[0]


OUTPUTS = Quantity(
    "outputs",
    _arrays,
    n_point_blocks,
    points_label,
    lambda plan: (
        pass_memory(plan, min(plan.points_at_once, plan.points_per_block), 3)
        + 8 * 6 * plan.points_per_block * plan.n_outputs
    ),
    lambda plan: 2.0 * plan.n_points * plan.n_weights,
    _compute,
    _stored_check,
    _rows,
    lambda plan, row: f"point {row[0]}, output {row[1]}",
    opponent="a second forward propagation",
    again=_again,
    column_name=lambda plan, place: f"output {place}",
)
