"""The network's outputs y (N, K)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from jachess.backprop.differences import UNIT_ROUNDOFF
from jachess.backprop.propagation import outputs
from jachess.batch.plan import Plan
from jachess.batch.quantities.record import (
    ArraySpec,
    Context,
    Quantity,
    Region,
    Write,
    n_point_blocks,
    pass_memory,
    point_span,
    points_label,
)
from jachess.network.graph import Array


def _arrays(plan: Plan) -> list[ArraySpec]:
    shape, chunks = (plan.n_points, plan.n_outputs), (plan.points_per_block, plan.n_outputs)
    return [ArraySpec("outputs", ("point", "output"), shape, chunks, plan.dtype)]


def _compute(context: Context, block: int) -> Iterator[Write]:
    span = point_span(context.plan, block)
    yield "outputs", (span, slice(0, context.plan.n_outputs)), _outputs(context, span).astype(context.plan.dtype)


def _outputs(context: Context, span: slice) -> Array:
    chunks = context.source.chunks(span.start, span.stop, context.plan.points_at_once)
    return np.concatenate([outputs(context.network, points) for points, _ in chunks])


def _check_stored(context: Context, read: Callable[[str, Region], Array], block: int) -> Array:
    """Outputs again: equal but for the rounding of another machine's sums."""
    span = point_span(context.plan, block)
    stored, again = read("outputs", (span, slice(0, context.plan.n_outputs))), _outputs(context, span)
    unit = max(UNIT_ROUNDOFF, float(np.finfo(stored.dtype).eps) / 2)
    scale = np.abs(again).max(axis=1, keepdims=True) + np.finfo(np.float64).tiny
    return np.asarray(np.where(stored == again, 0, np.abs(stored - again) / (1e4 * unit * scale)))


OUTPUTS = Quantity(
    "outputs",
    _arrays,
    n_point_blocks,
    lambda plan, block: [("outputs", (block, 0))],
    points_label,
    lambda plan: pass_memory(plan) + 3 * 8 * plan.points_per_block * plan.n_outputs,
    lambda plan: 2.0 * plan.n_points * plan.n_weights,
    _compute,
    _check_stored,
    row_name=lambda plan, row: f"point {row[0]}, output {row[1]}",
)
