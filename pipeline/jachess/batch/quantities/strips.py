"""Strips: the rows of a form of the second derivatives that are computed together, from the diagonal to the right.

A strip is one row of chunks, or several.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jachess.backprop.perturbations import PERTURBED
from jachess.backprop.tile_sums import COLLECTED, SUMS
from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import CHUNK, ArraySpec, Region
from jachess.batch.quantities.gradient import LABELS
from jachess.batch.quantities.memory import DIFFERENCE, pass_memory
from jachess.batch.quantities.record import (
    Context,
    FurtherCheck,
    Quantity,
    Read,
    Row,
    Sums,
    Write,
    read_back_array,
    weight_name,
)
from jachess.batch.quantities.rows_of_chunks import WRITTEN, chunk_rows
from jachess.network.graph import Array
from jachess.network.head import Head


@dataclass(frozen=True)
class Form(ABC):
    """What is computed of a form of the second derivatives, strip by strip.

    Attributes
    ----------
    name : str
        Of the quantity.
    meaning : str
        What it is, with the name of the error function left open.
    seed : int
    outer_product : bool
    """

    name: str
    meaning: str
    seed: int
    outer_product: bool = False

    def head(self, context: Context) -> Head:
        """The head, whose second derivatives are of this form."""
        return replace(context.error_head(), outer_product=self.outer_product)

    def strips(self, plan: Plan) -> Sequence[slice]:
        """The rows of each strip: blocks of work."""
        return chunk_rows(plan.n_weights, plan.strip)

    def strips_of_chunks(self, plan: Plan) -> Array:
        """For each row of chunks the strip that it belongs to."""
        strips = self.strips(plan)
        return np.repeat(np.arange(len(strips)), [-(-(rows.stop - rows.start) // plan.strip) for rows in strips])

    @abstractmethod
    def arrays(self, plan: Plan) -> list[ArraySpec]:
        """All arrays, `residuals` at their end."""

    @abstractmethod
    def compute(self, context: Context, block: int) -> Iterator[Write]:
        """What belongs to a strip, and its residuals last."""

    @abstractmethod
    def stored_check(self, context: Context) -> Callable[[Read, int], Array]:
        """As of a `Quantity`."""

    @abstractmethod
    def again(self, context: Context, read: Read, row: Row) -> tuple[Array, Array]:
        """As of a `Quantity`."""

    def residuals(self, plan: Plan) -> list[ArraySpec]:
        """Of each row: what tasks find before they write, and when it is read back."""
        meaning = {"long_name": "discrepancy from central differences over its tolerance", "coordinates": LABELS}
        strips = self.strips_of_chunks(plan)
        found = ArraySpec(
            f"{self.name}_residual",
            ("weight_i",),
            (plan.n_weights,),
            (plan.strip,),
            "float64",
            meaning,
            owner=lambda i: strips[i],
        )
        return [found, read_back_array(self.name, found)]

    def label(self, plan: Plan, block: int) -> str:
        """The rows of a strip, for people."""
        rows = self.strips(plan)[block]
        return f"rows {rows.start} to {rows.stop - 1}"

    def region(self, plan: Plan, block: int) -> Region:
        """The rows of a strip, as a region of the residuals."""
        return (self.strips(plan)[block],)

    def record(
        self,
        memory: Callable[[Plan], int],
        operations: Callable[[Plan], float],
        further: tuple[FurtherCheck, ...] = (),
        sums: Sums | None = None,
    ) -> Quantity:
        """The quantity."""
        return Quantity(
            self.name,
            self.arrays,
            lambda plan: len(self.strips(plan)),
            self.label,
            memory,
            operations,
            self.compute,
            self.stored_check,
            self.region,
            row_label,
            f"{self.name}_residual",
            further=further,
            again=self.again,
            column_name=weight_name,
            sums=sums,
        )


def row_label(plan: Plan, row: tuple[int, ...]) -> str:
    """A row, for people."""
    return f"weight {weight_name(plan, row[0])}"


def strip_memory(plan: Plan, width: int, n_entering: int, tallest: int, itemsize: int) -> int:
    """Bytes of a strip while it is computed, checked and written in elements of so many bytes.

    The first one is so wide, with so many weights entering; others have as many elements, and at most ``tallest`` rows.
    """
    strip, values = plan.strip * width, plan.value_width
    once = plan.unit_inputs > 0 and plan.n_entering == plan.n_weights  # so elements are written as they are stored
    passed = plan.points_at_once * (values + plan.working_width)
    rows = min(values, tallest, max(1, PERTURBED // passed))  # no more units than values
    factors = plan.points_at_once * 2 * values
    collected = factors * min(values, tallest, max(1, COLLECTED // (8 * factors)))
    sums = min(plan.strip, max(-(-SUMS // n_entering), plan.unit_inputs or plan.strip)) * n_entering
    # the strip, the sums of responses and of tangents that go there, what is collected for one product, twice while it
    # is joined, and gradients at all offsets, for each step and direction; tangents of all values for some rows
    arrays = strip * (not once) + 2 * sums + 2 * collected + 60 * plan.n_weights
    # the strip as it is stored, and copies of the chunks that are written at once, ours and Zarr's
    stored = itemsize * (strip + min((WRITTEN + 20) * CHUNK // plan.itemsize, 2 * strip))
    return 8 * arrays + stored + pass_memory(plan, plan.points_at_once, DIFFERENCE + rows, rows)
