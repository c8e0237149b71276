"""The Hessian ∂²E/∂w_i∂w_j (W, W) of the error summed over all points, in strips from the diagonal to the right.

A strip is computed once and stored twice, as it is and transposed below the diagonal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from jachess.backprop.hessian import COLLECTED, hessian_strip
from jachess.backprop.hessian_check import SAMPLES, check_hessian_rows
from jachess.batch.plan import Plan
from jachess.batch.quantities.gradient import LABELS
from jachess.batch.quantities.record import (
    ArraySpec,
    Context,
    Quantity,
    Read,
    Write,
    pass_memory,
    read_back_array,
    weight_name,
)
from jachess.network.graph import Array

_SEED = 3
_FIELDS = ["weight_i", "weight_j", "analytical", "numerical", "residual"]


def _n_blocks(plan: Plan) -> int:
    return -(-plan.n_weights // plan.strip)


def _rows(plan: Plan, block: int) -> slice:
    return slice(block * plan.strip, min((block + 1) * plan.strip, plan.n_weights))


def _arrays(plan: Plan) -> list[ArraySpec]:
    w, edge, n = plan.n_weights, plan.strip, _n_blocks(plan)
    meaning = {
        "long_name": f"second derivatives of the {plan.error} error with respect to the weights",
        "triangle": plan.triangle,
        "coordinates": f"{LABELS} {LABELS.replace('_i', '_j')}",
    }
    sampled = {"fields": _FIELDS, "long_name": "single elements against their central differences"}
    meaning_of_residual = {
        "long_name": "discrepancy from central differences over its tolerance",
        "coordinates": LABELS,
    }
    residual = ArraySpec("hessian_residual", ("weight_i",), (w,), (edge,), "float64", meaning_of_residual)
    return [
        ArraySpec(
            "hessian",
            ("weight_i", "weight_j"),
            (w, w),
            (edge, edge),
            plan.dtype,
            meaning,
            left_out=0 if plan.triangle == "both" else n * (n - 1) // 2,
            owner=np.minimum if plan.triangle == "both" else lambda i, j: np.where(i <= j, i, -1),
        ),
        ArraySpec(
            "hessian_sample",
            ("hessian_block", "hessian_sample_number", "hessian_sample_field"),
            (n, SAMPLES, len(_FIELDS)),
            (1, SAMPLES, len(_FIELDS)),
            "float64",
            sampled,
        ),
        residual,
        read_back_array("hessian", residual),
    ]


def _compute(context: Context, block: int) -> Iterator[Write]:
    plan, rows = context.plan, _rows(context.plan, block)
    columns = slice(rows.start, plan.n_weights)
    strip = hessian_strip(context.error_head(), context.all_chunks(), rows).astype(plan.dtype, copy=False)
    check = check_hessian_rows(context.error_head(), context.all_chunks(), strip, rows, columns, (_SEED, block))
    yield "hessian", (rows, columns), strip
    if plan.triangle == "both" and rows.stop < plan.n_weights:
        below = np.ascontiguousarray(strip[:, len(strip) :].T)
        yield "hessian", (slice(rows.stop, plan.n_weights), rows), below
    yield "hessian_sample", (slice(block, block + 1), slice(0, SAMPLES), slice(0, len(_FIELDS))), check.samples[None]
    yield "hessian_residual", (rows,), check.residual


def _stored_check(context: Context) -> Callable[[Read, int], Array]:
    """The rows as far as they are stored, so that each stored element takes part."""
    plan, head = context.plan, context.error_head()

    def check(read: Read, block: int) -> Array:
        rows = _rows(plan, block)
        columns = slice(0 if plan.triangle == "both" else rows.start, plan.n_weights)
        stored = read("hessian", (rows, columns))
        return check_hessian_rows(head, context.all_chunks(), stored, rows, columns, (_SEED, block, 1)).residual

    return check


def _memory(plan: Plan) -> int:
    strip = plan.strip * plan.n_weights
    # the sums of responses and of tangents, and the strip they go to; later the strip, its transpose or its terms in
    # the check, and magnitudes; before, what is collected for one product, twice while it is joined
    return pass_memory(plan) + 8 * (5 * strip + 40 * plan.n_weights + 2 * COLLECTED)


def _operations(plan: Plan) -> float:
    return 1.0 * plan.n_points * plan.n_weights**2


HESSIAN = Quantity(
    "hessian",
    _arrays,
    _n_blocks,
    lambda plan, block: f"rows {_rows(plan, block).start} to {_rows(plan, block).stop - 1}",
    _memory,
    _operations,
    _compute,
    _stored_check,
    lambda plan, block: (_rows(plan, block),),
    lambda plan, row: f"weight {weight_name(plan, row[0])}",
    "hessian_residual",
)
