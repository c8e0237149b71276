"""The Jacobian ∂y_k/∂x_i of every point (N, K, D)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jachess.backprop.jacobian import PASSED, jacobian_rows
from jachess.backprop.jacobian_check import SAMPLES, check_jacobian
from jachess.batch.measure import timed
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import ArraySpec, Region
from jachess.batch.quantities.memory import differenced_memory, with_spare
from jachess.batch.quantities.record import (
    Context,
    Quantity,
    Read,
    Row,
    Write,
    n_point_blocks,
    point_span,
    points_label,
    read_back_array,
)
from jachess.network.graph import Array

_SEED = 1
_FIELDS = ["point", "output", "input", "analytical", "numerical", "residual"]


def _arrays(plan: Plan) -> list[ArraySpec]:
    p, n, k, d = plan.points_per_block, plan.n_points, plan.n_outputs, plan.n_inputs
    meaning = {"long_name": "derivative of each output with respect to each input"}
    sampled = {"fields": _FIELDS, "long_name": "single elements against their central differences"}
    meaning_of_residual = {"long_name": "discrepancy from central differences over its tolerance"}
    residual = ArraySpec("jacobian_residual", ("point", "output"), (n, k), (p, k), "float64", meaning_of_residual)
    return [
        ArraySpec(
            "jacobian", ("point", "output", "input"), (n, k, d), (p, plan.outputs_per_chunk, d), plan.dtype, meaning
        ),
        ArraySpec(
            "jacobian_sample",
            ("jacobian_block", "jacobian_sample_number", "jacobian_sample_field"),
            (n_point_blocks(plan), SAMPLES, len(_FIELDS)),
            (1, SAMPLES, len(_FIELDS)),
            "float64",
            sampled,
        ),
        residual,
        read_back_array("jacobian", residual),
    ]


def _compute(context: Context, block: int) -> Iterator[Write]:
    plan, span = context.plan, point_span(context.plan, block)
    points = context.source.points(span.start, span.stop)
    jacobian = jacobian_rows(context.network, points, method=plan.method).astype(plan.dtype, copy=False)
    with timed("checks"):
        check = check_jacobian(context.network, points, jacobian, (_SEED, block))
    samples = check.samples.copy()
    samples[:, 0] += span.start
    outputs = slice(0, plan.n_outputs)
    yield "jacobian", (span, outputs, slice(0, plan.n_inputs)), jacobian
    yield "jacobian_sample", (slice(block, block + 1), slice(0, SAMPLES), slice(0, len(_FIELDS))), samples[None]
    yield "jacobian_residual", (span, outputs), check.residual


def _rows(plan: Plan, block: int) -> Region:
    return point_span(plan, block), slice(0, plan.n_outputs)


def _stored_check(context: Context) -> Callable[[Read, int], Array]:
    plan = context.plan

    def check(read: Read, block: int) -> Array:
        span, outputs = _rows(plan, block)
        jacobian = read("jacobian", (span, outputs, slice(0, plan.n_inputs)))
        points = context.source.points(span.start, span.stop)
        return check_jacobian(context.network, points, jacobian, (_SEED, block, 1)).residual

    return check


def _again(context: Context, read: Read, row: Row) -> tuple[Array, Array]:
    (point, output), plan = row, context.plan
    place = (slice(point, point + 1), slice(output, output + 1), slice(0, plan.n_inputs))
    points = context.source.points(point, point + 1)
    return read("jacobian", place)[0, 0], jacobian_rows(context.network, points, method=plan.method)[0, output]


def _memory(plan: Plan) -> int:
    block = plan.points_per_block * plan.n_outputs * plan.n_inputs
    working = min(plan.points_per_block * plan.jacobian_width, max(PASSED, plan.jacobian_width))
    # the block in float64, in its own type, what is looked at again, and Zarr's copies
    return with_spare(8 * 3 * working) + 8 * 6 * block + differenced_memory(plan, plan.points_per_block)


def _operations(plan: Plan) -> float:
    return 2.0 * plan.n_points * plan.n_weights * min(plan.n_inputs, plan.n_outputs)


JACOBIAN = Quantity(
    "jacobian",
    _arrays,
    n_point_blocks,
    points_label,
    _memory,
    _operations,
    _compute,
    _stored_check,
    _rows,
    lambda plan, row: f"point {row[0]}, output {row[1]}",
    "jacobian_residual",
    again=_again,
)
