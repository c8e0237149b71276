"""The diagonal ∂²E/∂w_i² (W,) of the Hessian, and that of its outer-product form.

No difference quotient tells the diagonal from what surrounds it, but one of the gradient along weights of a few rows
tells the square block that these rows have on the diagonal, element by element of its rows. So a task computes such a
block, checks it, and keeps its diagonal: W² / rows of N W² operations, and memory for rows² elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from jachess.backprop.hessian import hessian_strip
from jachess.backprop.hessian_check import check_hessian_rows
from jachess.batch.measure import timed
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import ArraySpec
from jachess.batch.quantities.gradient import LABELS
from jachess.batch.quantities.record import Context, Read, Row, Write
from jachess.batch.quantities.strips import Form, strip_memory
from jachess.network.graph import Array


def _memory(plan: Plan) -> int:
    return strip_memory(
        plan, plan.strip, min(2 * plan.strip, max(plan.n_entering, plan.n_weights)), plan.strip, plan.itemsize
    )


def _operations(plan: Plan) -> float:
    return 1.0 * plan.n_points * plan.n_weights * plan.strip


class _Diagonal(Form):
    """The diagonal of a form."""

    def arrays(self, plan: Plan) -> list[ArraySpec]:
        """The diagonal, and residuals."""
        meaning = {"long_name": self.meaning.format(plan.error), "coordinates": LABELS}
        diagonal = ArraySpec(self.name, ("weight_i",), (plan.n_weights,), (plan.strip,), plan.dtype, meaning)
        return [diagonal, *self.residuals(plan)]

    def compute(self, context: Context, block: int) -> Iterator[Write]:
        """The diagonal of a strip's square, and its residuals."""
        rows, square = self.strips(context.plan)[block], self._square(context, block)
        with timed("checks"):
            residual = self._check(context, square, block, 0)
        yield self.name, (rows,), np.diagonal(square).copy()
        yield f"{self.name}_residual", (rows,), residual

    def _square(self, context: Context, block: int) -> Array:
        """The square that a strip has on the diagonal, in the type that is stored."""
        rows = self.strips(context.plan)[block]
        return hessian_strip(self.head(context), context.all_chunks(), rows, rows.stop, context.plan.dtype)

    def _check(self, context: Context, square: Array, block: int, time: int) -> Array:
        rows, seed = self.strips(context.plan)[block], (self.seed, block, time)
        return check_hessian_rows(self.head(context), context.all_chunks(), square, rows, rows, seed).residual

    def stored_check(self, context: Context) -> Callable[[Read, int], Array]:
        """The square computed again, with the diagonal that is stored."""

        def check(read: Read, block: int) -> Array:
            square = self._square(context, block)
            np.fill_diagonal(square, read(self.name, (self.strips(context.plan)[block],)))
            return self._check(context, square, block, 1)

        return check

    def again(self, context: Context, read: Read, row: Row) -> tuple[Array, Array]:
        """All that lies in the block of a row."""
        block = row[0] // context.plan.strip
        rows = self.strips(context.plan)[block]
        stored, again = np.zeros((2, context.plan.n_weights))
        stored[rows], again[rows] = read(self.name, (rows,)), np.diagonal(self._square(context, block))
        return stored, again


DIAGONAL = _Diagonal("diagonal", "second derivatives of the {} error with respect to each weight alone", 10).record(
    _memory, _operations
)
OUTER_PRODUCT_DIAGONAL = _Diagonal(
    "outer_product_diagonal", "diagonal of the outer-product form of the second derivatives of the {} error", 11, True
).record(_memory, _operations)
