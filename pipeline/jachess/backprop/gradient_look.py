"""Looks at rows of the Hessian: what central differences of the gradient along a few directions say of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jachess.backprop.differences import (
    STEP,
    Difference,
    random_direction,
    residuals,
    second_look,
    tolerances,
)
from jachess.backprop.gradient_difference import (
    GradientDifference,
    difference_of_gradient,
    slope_residuals,
    weight_sizes,
)
from jachess.backprop.propagation import Chunks
from jachess.backprop.row_products import Pieces, row_products
from jachess.network.graph import Array
from jachess.network.head import Head

DIRECTIONS = 2


def random_differences(
    head: Head,
    chunks: Chunks,
    size: Array,
    random: np.random.Generator,
    step: float,
    leading: Callable[[GradientDifference], Difference],
    rows: slice = slice(None),
    sparing: bool = False,
) -> tuple[list[Array], list[GradientDifference]]:
    """Directions ±m_i s_i of these sizes s (W,), and differences whose ``leading`` part says the step of the next.

    They have all ``rows`` that are asked. If the look is ``sparing``, the first one's errors do for the others.
    """
    directions, differences = list[Array](), list[GradientDifference]()
    for _ in range(DIRECTIONS):
        directions.append(random_direction(size, random))
        known = differences[0] if sparing and differences else None
        differences.append(difference_of_gradient(head, chunks, directions[-1], random, step, rows, known))
        step = float(leading(differences[-1]).better_step()[0])
    return directions, differences


@dataclass(frozen=True)
class Look:
    """Directions of the weights, central differences along them, and what these allow.

    Attributes
    ----------
    directions : sequence of arrays (W,)
    differences : sequence of GradientDifference
    allowed : sequence of arrays (W,)
        Tolerances of the differences of the gradient.
    slopes : array (directions,)
        Residuals of the gradients that are subtracted, against differences of E, whose evaluations are there already:
        were they not its gradient, no row would be proved by them.
    """

    directions: Sequence[Array]
    differences: Sequence[GradientDifference]
    allowed: Sequence[Array]
    slopes: Array

    @classmethod
    def at_random(
        cls,
        head: Head,
        chunks: Chunks,
        size: Array,
        random: np.random.Generator,
        step: float,
        rows: slice = slice(None),
        sparing: bool = False,
    ) -> Look:
        """Along directions ±m_i s_i of these sizes s (W,), at ``rows`` of H, all by default."""
        found = random_differences(head, chunks, size, random, step, lambda found: found.gradient, rows, sparing)
        return cls.of(head, *found)

    @classmethod
    def of(cls, head: Head, directions: Sequence[Array], differences: Sequence[GradientDifference]) -> Look:
        """With tolerances and slopes of the differences."""
        allowed = _tolerances(head, [difference.gradient for difference in differences])
        slopes = slope_residuals([difference.middle for difference in differences], directions, differences)
        return cls(directions, differences, allowed, slopes)

    def in_full(self, head: Head, chunks: Chunks, random: np.random.Generator, rows: slice) -> Look:
        """What a sparing look would have been had it not been so."""
        first, *others = self.differences
        again = (
            difference_of_gradient(head, chunks, direction, random, float(other.gradient.step), rows)
            for direction, other in zip(self.directions[1:], others, strict=True)
        )
        return Look.of(head, self.directions, [first, *again])

    def beside(self, head: Head, direction: Array, difference: GradientDifference) -> Look:
        """At one more direction, with what these ones know of the errors of its difference."""
        every = Look.of(head, [*self.directions, direction], [*self.differences, difference])
        return Look([direction], [difference], every.allowed[-1:], every.slopes[-1:])

    @property
    def next_step(self) -> float:
        """A good step for the next look."""
        return float(self.differences[-1].gradient.better_step()[0])

    def residuals(self, rows: slice, found: Sequence[tuple[Array, Array]]) -> Array:
        """Residuals (rows,) of the products H[rows] v with each direction, and their rounding."""
        worst = np.full(len(found[0][0]), np.nan)
        looked = zip(self.differences, self.allowed, self.slopes, found, strict=True)
        for difference, tolerance, slope, (product, rounding) in looked:
            if difference.trusted:
                discrepancy = product - difference.excluded[rows] - difference.gradient.value[rows]
                residual = residuals(discrepancy, tolerance[rows] + rounding)
                worst = np.fmax(worst, np.maximum(residual, slope if slope > 1 else 0.0))
        return worst


class Looks:
    """Looks along directions of all weights, for any rows; each is taken when it is first asked for.

    Rows that are computed together are checked as soon as they are there, with directions that are zero where nothing
    is known. Once all of the matrix is known, the same few differences do for every row.
    """

    def __init__(self, head: Head, chunks: Chunks, seed: tuple[int, ...]) -> None:
        self._head, self._chunks, self._random = head, chunks, np.random.default_rng(seed)
        self._taken: list[Look] = []
        self._lock = threading.Lock()

    def __getitem__(self, number: int) -> Look:
        with self._lock:
            while len(self._taken) <= number:
                step = self._taken[-1].next_step if self._taken else STEP
                size = weight_sizes(self._head.network)
                self._taken.append(Look.at_random(self._head, self._chunks, size, self._random, step))
            return self._taken[number]

    def check(self, rows: slice, pieces: Pieces) -> Array:
        """Residuals (rows,) of H[rows]."""
        found, finite = row_products(self[0].directions, rows, pieces)
        worst = self[0].residuals(rows, found)
        if (worst > 1).any():
            worst = second_look(worst, self[1].residuals(rows, row_products(self[1].directions, rows, pieces)[0]))
        worst[~finite] = np.inf
        return worst


def _tolerances(head: Head, differences: Sequence[Difference]) -> list[Array]:
    """Tolerances (W,): the rows of one tensor are of one kind."""
    allowed = [np.zeros(head.network.n_weights) for _ in differences]
    for weight in head.network.weights:
        for whole, part in zip(allowed, tolerances([d.part(weight.slice) for d in differences]), strict=True):
            whole[weight.slice] = part
    return allowed
