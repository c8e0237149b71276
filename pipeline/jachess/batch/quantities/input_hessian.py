"""The second derivatives ∂²y_k/∂x_i∂x_j of every point's chosen outputs with respect to its inputs (N, K, D, D).

The array has a place for every output; chunks of those that are not chosen are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from jachess.backprop.input_hessian import check_input_hessians, input_hessians
from jachess.backprop.r_operator import ELEMENTS
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import CHUNK, ArraySpec, Region
from jachess.batch.quantities.memory import differenced_memory, with_spare
from jachess.batch.quantities.record import Context, Quantity, Read, Row, Write, read_back_array, span_label
from jachess.network.graph import Array

_SEED = 6


def _chosen(plan: Plan) -> list[int]:
    """The outputs k that are differentiated."""
    chosen = plan.identity.get("input_hessian_outputs")
    return list(range(plan.n_outputs)) if chosen is None else sorted(chosen)


def _at_once(plan: Plan) -> int:
    """Points of one block."""
    return max(1, min(plan.points_per_block, CHUNK // (plan.n_inputs**2 * plan.itemsize)))


def _n_blocks(plan: Plan) -> int:
    return -(-plan.n_points // _at_once(plan))


def _span(plan: Plan, block: int) -> slice:
    return slice(block * _at_once(plan), min((block + 1) * _at_once(plan), plan.n_points))


def _arrays(plan: Plan) -> list[ArraySpec]:
    p, n, k, d, chosen = _at_once(plan), plan.n_points, plan.n_outputs, plan.n_inputs, _chosen(plan)
    rows = max(1, min(d, 2 * CHUNK // (d * plan.itemsize)))
    meaning = {"long_name": "second derivatives of each output with respect to the inputs"}
    meaning_of_residual = {
        "long_name": "discrepancy from central differences of the Jacobian over its tolerance",
        "outputs": chosen,
    }
    dimensions, shape = ("point", "chosen_output", "input"), (n, len(chosen), d)
    residual = ArraySpec(
        "input_hessian_residual", dimensions, shape, (p, len(chosen), d), "float64", meaning_of_residual
    )
    return [
        ArraySpec(
            "input_hessian",
            ("point", "output", "input", "other_input"),
            (n, k, d, d),
            (p, 1, rows, d),
            plan.dtype,
            meaning,
            left_out=_n_blocks(plan) * (k - len(chosen)) * -(-d // rows),
            owner=lambda block, output, *_: np.where(np.isin(output, chosen), block, -1),
        ),
        residual,
        read_back_array("input_hessian", residual),
    ]


def _compute(context: Context, block: int) -> Iterator[Write]:
    plan, span, chosen = context.plan, _span(context.plan, block), _chosen(context.plan)
    points, inputs = context.source.points(span.start, span.stop), slice(0, plan.n_inputs)
    found = input_hessians(context.network, points, chosen).astype(plan.dtype, copy=False)
    residual = check_input_hessians(context.network, points, found, chosen, (_SEED, block))
    for place, k in enumerate(chosen):
        yield "input_hessian", (span, slice(k, k + 1), inputs, inputs), found[:, place : place + 1]
    yield "input_hessian_residual", _rows(plan, block), residual


def _rows(plan: Plan, block: int) -> Region:
    return _span(plan, block), slice(0, len(_chosen(plan))), slice(0, plan.n_inputs)


def _stored_check(context: Context) -> Callable[[Read, int], Array]:
    plan, chosen = context.plan, _chosen(context.plan)

    def check(read: Read, block: int) -> Array:
        span, inputs = _span(plan, block), slice(0, plan.n_inputs)
        stored = [read("input_hessian", (span, slice(k, k + 1), inputs, inputs)) for k in chosen]
        points = context.source.points(span.start, span.stop)
        return check_input_hessians(context.network, points, np.concatenate(stored, axis=1), chosen, (_SEED, block, 1))

    return check


def _row_name(plan: Plan, row: tuple[int, ...]) -> str:
    return f"point {row[0]}, output {_chosen(plan)[row[1]]}, input {row[2]}"


def _again(context: Context, read: Read, row: Row) -> tuple[Array, Array]:
    (point, chosen, i), plan = row, context.plan
    k, points = _chosen(plan)[chosen], context.source.points(point, point + 1)
    place = (slice(point, point + 1), slice(k, k + 1), slice(i, i + 1), slice(0, plan.n_inputs))
    return read("input_hessian", place)[0, 0, 0], input_hessians(context.network, points, [k])[0, 0, i]


def _memory(plan: Plan) -> int:
    block, values = _at_once(plan) * len(_chosen(plan)) * plan.n_inputs**2, plan.value_width + plan.working_width
    together = min(_at_once(plan), max(1, ELEMENTS // (plan.n_inputs * values)))
    passing = together * plan.n_inputs * (2 * (plan.value_width + plan.n_inputs) + plan.working_width)
    pulled = _at_once(plan) * len(_chosen(plan)) * (2 * plan.value_width + 12 * plan.n_inputs + plan.working_width)
    # the block, its mean with its transpose, its own type, its terms in the check, and Zarr's copy; all tangents of a
    # pass, and the responses to them, or the Jacobians that are differenced
    return differenced_memory(plan, _at_once(plan)) + with_spare(8 * max(passing, pulled)) + 8 * 4 * block


INPUT_HESSIAN = Quantity(
    "input_hessian",
    _arrays,
    _n_blocks,
    lambda plan, block: span_label(_span(plan, block)),
    _memory,
    lambda plan: 4.0 * plan.n_points * plan.n_weights * plan.n_inputs * (1 + len(_chosen(plan))),
    _compute,
    _stored_check,
    _rows,
    _row_name,
    "input_hessian_residual",
    again=_again,
)
