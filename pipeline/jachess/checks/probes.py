"""What is seen of a derivative along one direction: the claim, and the function's differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from jachess.backprop.differences import SAFETY
from jachess.checks.claim import Claim
from jachess.checks.function import Function
from jachess.checks.ladder import Ladder, Line
from jachess.checks.noise import Noise
from jachess.network.graph import Array


@dataclass(frozen=True)
class Sight:
    """What is seen along one direction; arrays (K,).

    Attributes
    ----------
    ladder : Ladder
    claimed, rounding, size : array
        The claimed slope, what its rounding may do, and the size of its terms.
    exact : (array, array) or None
        The slope by a complex step, and how far it may be off.
    """

    ladder: Ladder
    claimed: Array
    rounding: Array
    size: Array
    exact: tuple[Array, Array] | None = None


class Probe(Protocol):
    """Looks along directions (D,), or along pairs of them (2, D).

    Attributes
    ----------
    function : Function
    pair : bool
        Whether it looks along pairs.
    n_terms : int
        Elements of the derivative that each row sums.
    """

    function: Function
    pair: bool
    n_terms: int

    def sight(self, direction: Array, again: bool = False) -> Sight:
        """Look along a direction; ``again`` if the noise has been measured along a like one."""
        ...

    def row_name(self, row: int) -> str:
        """A row, as people name it."""
        ...

    def index(self, row: int, place: tuple[int, ...]) -> tuple[int, ...]:
        """Where in the claimed array the element of a row and an input, or of a pair of inputs, is."""
        ...


class Slopes:
    """J v against differences of f along v: K rows.

    Parameters
    ----------
    function : Function
    claim : Claim
    complex_step : bool
        Whether f is asked for complex steps as well.
    """

    pair = False

    def __init__(self, function: Function, claim: Claim, complex_step: bool) -> None:
        self.function, self.claim, self.complex_step = function, claim, complex_step
        self.n_terms = len(function.x)
        self._noise, self._noise_of_slope = Noise(function.kind), Noise(function.kind)

    def sight(self, direction: Array, again: bool = False) -> Sight:
        """What is seen along v (D,)."""
        along = self.function.along(direction)
        ladder = Line.of(along, self.function.value, self._noise, again).slopes()
        exact = None
        if self.complex_step:
            slope = self.function.slope_along(direction)
            exact = slope(0.0), SAFETY * self._noise_of_slope.near(slope)
        return Sight(ladder, *self.claim.products(direction), exact)

    def row_name(self, row: int) -> str:
        """The output, by its number or its indices."""
        shape = self.claim.output_shape
        return f"row {row if len(shape) == 1 else list(_place(row, shape))}" if shape else self.function.name

    def index(self, row: int, place: tuple[int, ...]) -> tuple[int, ...]:
        """The indices of the output, then those of the input."""
        return (*_place(row, self.claim.output_shape), *_place(place[0], self.function.input_shape))


class Curvatures:
    """uᵀHv and vᵀHu against second differences of a scalar f along u + v and u − v: two rows.

    Every element of H takes part in both, with another factor in the one than in the other; so neither a wrong element
    nor one that its transpose does not equal goes unseen. By complex steps they are first differences of slopes.

    Parameters
    ----------
    function : Function
    claim : Claim
    complex_step : bool
        Whether the slopes of f are had by complex steps.
    """

    pair = True

    def __init__(self, function: Function, claim: Claim, complex_step: bool) -> None:
        self.function, self.claim, self.complex_step = function, claim, complex_step
        self.n_terms = len(function.x) ** 2
        self._noise = Noise(function.kind)

    def sight(self, direction: Array, again: bool = False) -> Sight:
        """What is seen along u and v, (2, D)."""
        u, v = direction
        ladder = self._ladder(u + v, again).minus(self._ladder(u - v, again))
        claimed, rounding, size = zip(self._form(u, v), self._form(v, u), strict=True)
        return Sight(ladder.twice(), np.array(claimed), np.array(rounding), np.array(size))

    def _ladder(self, direction: Array, again: bool) -> Ladder:
        if self.complex_step:
            slope = self.function.slope_along(direction)
            return Line.of(slope, slope(0.0), self._noise, again).slopes()
        along = self.function.along(direction)
        return Line.of(along, self.function.value, self._noise, again).curvatures()

    def _form(self, u: Array, v: Array) -> tuple[float, float, float]:
        """The claimed uᵀHv, its rounding, and the size of its terms."""
        product, rounding, size = self.claim.products(v)
        return float(u @ product), float(np.linalg.norm(u * rounding)), float(np.linalg.norm(u * size))

    def row_name(self, row: int) -> str:
        """One of the two forms."""
        return ("uᵀHv", "vᵀHu")[row]

    def index(self, row: int, place: tuple[int, ...]) -> tuple[int, ...]:
        """The indices of the one weight, then those of the other."""
        first, second = (_place(i, self.function.input_shape) for i in place)
        return (*first, *second) if row == 0 else (*second, *first)


def _place(number: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(number, shape)) if shape else ()
