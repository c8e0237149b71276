"""The derivatives ∂y_k/∂w of every point's outputs with respect to the weights (N, K, W)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jachess.backprop.weight_jacobian import WORKING, check_weight_jacobian, weight_jacobian_rows
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import CHUNK, ArraySpec, Region
from jachess.batch.quantities.gradient import LABELS
from jachess.batch.quantities.memory import differenced_memory, with_spare
from jachess.batch.quantities.record import (
    Context,
    Quantity,
    Read,
    Row,
    Write,
    read_back_array,
    span_label,
    weight_name,
)
from jachess.network.graph import Array

_SEED = 5


def _at_once(plan: Plan) -> int:
    """Points of one block."""
    return max(1, min(plan.points_per_block, CHUNK // (plan.n_outputs * plan.n_weights * plan.itemsize)))


def _n_blocks(plan: Plan) -> int:
    return -(-plan.n_points // _at_once(plan))


def _span(plan: Plan, block: int) -> slice:
    return slice(block * _at_once(plan), min((block + 1) * _at_once(plan), plan.n_points))


def _arrays(plan: Plan) -> list[ArraySpec]:
    p, n, k, w = _at_once(plan), plan.n_points, plan.n_outputs, plan.n_weights
    outputs = max(1, min(k, 2 * CHUNK // (w * plan.itemsize)))
    meaning = {"long_name": "derivative of each output with respect to each weight", "coordinates": LABELS}
    meaning_of_residual = {"long_name": "discrepancy from central differences over its tolerance"}
    residual = ArraySpec(
        "weight_jacobian_residual", ("point", "output"), (n, k), (p, k), "float64", meaning_of_residual
    )
    return [
        ArraySpec("weight_jacobian", ("point", "output", "weight_i"), (n, k, w), (p, outputs, w), plan.dtype, meaning),
        residual,
        read_back_array("weight_jacobian", residual),
    ]


def _compute(context: Context, block: int) -> Iterator[Write]:
    plan, (span, outputs) = context.plan, _rows(context.plan, block)
    points = context.source.points(span.start, span.stop)
    found = weight_jacobian_rows(context.network, points).astype(plan.dtype, copy=False)
    residual = check_weight_jacobian(context.network, points, found, (_SEED, block))
    yield "weight_jacobian", (span, outputs, slice(0, plan.n_weights)), found
    yield "weight_jacobian_residual", (span, outputs), residual


def _rows(plan: Plan, block: int) -> Region:
    return _span(plan, block), slice(0, plan.n_outputs)


def _stored_check(context: Context) -> Callable[[Read, int], Array]:
    def check(read: Read, block: int) -> Array:
        span, outputs = _rows(context.plan, block)
        stored = read("weight_jacobian", (span, outputs, slice(0, context.plan.n_weights)))
        points = context.source.points(span.start, span.stop)
        return check_weight_jacobian(context.network, points, stored, (_SEED, block, 1))

    return check


def _again(context: Context, read: Read, row: Row) -> tuple[Array, Array]:
    (point, output), points = row, context.source.points(row[0], row[0] + 1)
    place = (slice(point, point + 1), slice(output, output + 1), slice(0, context.plan.n_weights))
    return read("weight_jacobian", place)[0, 0], weight_jacobian_rows(context.network, points)[0, output]


def _memory(plan: Plan) -> int:
    rows = plan.n_outputs * plan.n_weights
    block, together = _at_once(plan) * rows, min(_at_once(plan), max(1, WORKING // rows))
    passing = together * plan.n_outputs * (2 * plan.value_width + plan.working_width)
    # the block in float64, in its own type, its terms in the check, and Zarr's copy; products of one layer
    return differenced_memory(plan, _at_once(plan)) + with_spare(8 * passing) + 8 * (4 * block + 3 * together * rows)


WEIGHT_JACOBIAN = Quantity(
    "weight_jacobian",
    _arrays,
    _n_blocks,
    lambda plan, block: span_label(_span(plan, block)),
    _memory,
    lambda plan: 4.0 * plan.n_points * plan.n_weights * plan.n_outputs,
    _compute,
    _stored_check,
    _rows,
    lambda plan, row: f"point {row[0]}, output {row[1]}",
    "weight_jacobian_residual",
    again=_again,
    column_name=weight_name,
)
