"""The check of stored matrices for symmetry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jachess.backprop.differences import residuals
from jachess.batch.plan import Plan
from jachess.batch.quantities.record import Context, FurtherCheck, Read, Row
from jachess.batch.quantities.rows_of_chunks import cut
from jachess.batch.quantities.strips import Form, row_label
from jachess.network.graph import Array


def symmetry(form: Form, columns: Callable[[Plan, int], slice]) -> FurtherCheck:
    """The check of a form's matrix for symmetry, strip by strip; ``columns`` are those that are stored of a strip.

    A run stores both triangles from one, so any difference across the diagonal is a later one.
    """

    def stored_check(context: Context) -> Callable[[Read, int], Array]:
        def check(read: Read, block: int) -> Array:
            rows, across = form.strips(context.plan)[block], columns(context.plan, block)
            worst = np.zeros(rows.stop - rows.start)
            for beyond in cut(slice(rows.start, across.stop), context.plan.strip):
                right, down = read(form.name, (rows, beyond)), read(form.name, (beyond, rows)).T
                rounding = float(np.finfo(right.dtype).eps) * np.maximum(np.abs(right), np.abs(down))
                worst = np.maximum(worst, residuals(right - down, rounding).max(axis=1))
            return worst

        return check

    def across_and_down(context: Context, read: Read, row: Row) -> tuple[Array, Array]:
        plan, one = context.plan, slice(row[0], row[0] + 1)
        stored = columns(plan, int(form.strips_of_chunks(plan)[row[0] // plan.strip]))
        pair = np.zeros((2, plan.n_weights))
        pair[:, stored] = read(form.name, (one, stored))[0], read(form.name, (stored, one))[:, 0]
        return pair[0], pair[1]

    return FurtherCheck(
        f"symmetry of the {form.name}",
        stored_check,
        form.region,
        row_label,
        "the columns of the same weights",
        applies=lambda plan: plan.triangle == "both",
        again=across_and_down,
    )
