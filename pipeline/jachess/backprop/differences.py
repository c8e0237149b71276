"""Central differences (8.35), the numerical opponent of every derivative.

**Directional check.** With a direction v, J v against [y(x+εv) − y(x−εv)]/2ε checks every row of a Jacobian by two
forward propagations, and H v against [∇E(w+εv) − ∇E(w−εv)]/2ε every row of a Hessian by two gradients. Directions are
±m_i s_i: random signs; s_i the size of the i-th input or weight, so that every element counts by what it contributes;
m_i a random number from 1/2 to 3/2. Were all m_i alike, two elements of a row that have been exchanged, or are wrong
by as much in opposite ways, would cancel in every second direction; so they do with probability 0.

**Step.** D(ε) = [f(ε) − f(−ε)]/2ε has the truncation error ε²f'''/6 and the rounding error of about u|f|/ε; for a
function that varies as much as it is large, the two are equal near ε = u^(1/3) (u = 2^-53), where both are about
u^(2/3). Where the first direction shows more truncation than rounding, the next one's step is the one for which it
would have been as large: truncation goes as ε², rounding as 1/ε.

**Tolerance.** It comes from the differences alone, never from the derivative under test, so that a wrong derivative
cannot widen it. T = |D(2ε) − D(ε)| holds three times the truncation error of D(ε), and, as a combination of the four
evaluations, (√10/4)·σ/ε of their rounding noise σ, slightly more than D(ε)'s own (1/√2)·σ/ε. Yet T is no witness of
rounding where all four round alike, as behind a unit so saturated that its activation does not move at all. So rounding
is watched on its own: in a fifth evaluation, at the middle, every result of arithmetic is changed by ±√u of itself, at
random. To first order it is off by as much as roundings of √u would make it, 1/√u times more than those of u:
R = √u|f̃ − f|/(√2ε), with f = [f(ε) + f(−ε)]/2. To it comes the least that rounding must do, u|f|/ε, and what may have
underflowed. T and R may be small by chance, so the largest of all directions counts, and what is usual for rows of that
kind joins it: the median of T over R, and the median of T over the row's own size |D|, since noise comes in proportion
to what it passes through. The discrepancy is normal-like, so `SAFETY` = 10 such deviations are not passed by chance. A
row that fails is looked at once more, with new directions and disturbances, and has failed if it does so again.

**Evaluations.** One of the gradient takes all points. T and R of the second direction do nothing but widen tolerances,
apart from what they do to the medians, and they tell little that the first has not told: R is that of the middle, which
is the same along all directions, and T is about as large as R with the second step. So rows of H have D(ε) alone along
the second direction at first, with T and R of the first, each for its step, in place of its own; only points that take
smaller steps for their kinks are disturbed again. What passes by half (`CLEAR`) is taken at that. Where one row
does not, or has no verdict, the rest is evaluated before anything is said of it. The single column whose elements are
shown to people is differenced in the same way. So 5 + 2 + 2 gradients do for a block that is right.

**No verdict.** T stands for truncation only while the series converges. Where T is larger than an eighth of |D| and is
not rounding, not one digit of D is certain, and the difference is no witness. Nor is one that has no T of its own where
that of the others is so large.

To the tolerance comes the rounding of the stored derivative itself. Each element may be off by its unit roundoff times
itself, or by half the smallest number of its type; as the signs of v are random and know nothing of these errors, their
sum is not larger than `SAFETY` times the root of the sum of their squares (Hoeffding: with probability 1 − 2e^(−50)).

**Kinks.** Where an operation changes its side between the evaluations (ReLU, maximum, …) the difference is no
witness. Such points are tried again with smaller steps, then left out, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jachess.network.evaluation import Disturb
from jachess.network.graph import Array
from jachess.network.working_arrays import empty_like, memory_order

UNIT_ROUNDOFF = 2.0**-53
TINY = float(np.finfo(np.float64).tiny)
"""What is smaller has lost digits, or all of them."""
STEP = UNIT_ROUNDOFF ** (1 / 3)
SMALLER = (1.0, 1 / 16, 1 / 256)
"""Factors of the step: the first try, and the further ones at points with kinks."""
SAFETY = 10.0
OFFSETS = (-2.0, -1.0, 1.0, 2.0)
"""The evaluations of one difference, in steps; one more, disturbed, is at 0."""
NEAR = OFFSETS[1:3]
"""Those that D(ε) itself is made of."""
DISTURBANCE = UNIT_ROUNDOFF**0.5
CLEAR = 0.5
"""The largest residual that needs no T and R of the second direction."""


@dataclass(frozen=True)
class Difference:
    """Central differences D(ε) of some function values and what is known of their errors (same shape).

    Attributes
    ----------
    value : array
        D(ε); NaN where it is no witness.
    spread : array
        T = |D(2ε) − D(ε)|; NaN where there is no D(2ε).
    floor : array
        R, or the least of it.
    step : float or array
        ε, for all values or for each.
    """

    value: Array
    spread: Array
    floor: Array
    step: Array | float

    @classmethod
    def of(
        cls,
        evaluations: Iterable[Array],
        step: Array | float,
        disturbed: Array | None = None,
        size: Array | float | None = None,
    ) -> Difference:
        """From the function's values at `OFFSETS` or `NEAR`, and disturbed at 0; of another ``size`` than they seem."""
        values = list(evaluations)
        half = len(values) // 2
        left, right = values[half - 1 : half + 1]
        with np.errstate(all="ignore"):
            value = (right - left) / (2 * step)
            far = (values[-1] - values[0]) / (4 * step) if len(values) > len(NEAR) else np.nan
            spread = np.abs(far - value)
            floor = UNIT_ROUNDOFF * (np.maximum(np.abs(left), np.abs(right)) if size is None else size) + TINY
            if disturbed is not None:
                floor = floor + DISTURBANCE / 2**0.5 * np.abs(disturbed - (left + right) / 2)
            return cls(value, spread, np.asarray(floor / step), step)

    def part(self, rows: slice) -> Difference:
        """Some rows of it, whose step is the same for all."""
        return Difference(self.value[rows], self.spread[rows], self.floor[rows], self.step)

    def floor_at(self, step: Array | float) -> Array:
        """R with another step: it goes as 1/ε."""
        with np.errstate(all="ignore"):
            return np.asarray(self.floor * (self.step / step))

    def with_rounding_of(self, other: Difference) -> Difference:
        """With R that is not less than that of another one, along whichever direction."""
        return replace(self, floor=np.fmax(self.floor, other.floor_at(self.step)))

    def better_step(self, axis: int = 0) -> Array:
        """The step at which truncation would be as large as rounding, as usual along an axis; never a larger one."""
        with np.errstate(all="ignore"):
            ratio = _median_of_moving(np.moveaxis(self.spread / self.floor, axis, 0))
        return np.asarray(self.step * np.expand_dims(np.maximum(ratio, 1.0), axis) ** (-1 / 3))


def disturbance(random: np.random.Generator) -> Disturb:
    """A change of each element by ±√u of itself, at random."""

    def disturb(values: Array) -> Array:
        if values.dtype.kind not in "fc":
            return values
        signs = np.unpackbits(np.frombuffer(random.bytes(-(-values.size // 8)), np.uint8), count=values.size)
        changed = empty_like(values, values.dtype)
        factors = changed.transpose(memory_order(changed)).reshape(-1)  # a view
        np.multiply(signs, 2 * DISTURBANCE, out=factors)
        factors += 1 - DISTURBANCE
        return np.asarray(np.multiply(values, changed, out=changed))

    return disturb


def tolerances(differences: Sequence[Difference]) -> list[Array]:
    """How far right derivatives may be from the values of each difference.

    Parameters
    ----------
    differences : sequence of Difference
        One for each direction; arrays (rows, …): rows of one kind along the first axis.

    Returns
    -------
    list of array (rows, …)
        NaN where there is no verdict.
    """
    size = _largest([np.abs(difference.value) for difference in differences])
    return [_tolerance(difference, differences, size) for difference in differences]


def _tolerance(own: Difference, differences: Sequence[Difference], size: Array) -> Array:
    with np.errstate(all="ignore"):
        spread = _largest([other.spread * np.minimum(1, own.step / other.step) ** 2 for other in differences])
        floor = _largest([other.floor_at(own.step) for other in differences])
        usual = _median_of_moving(spread / floor) * floor + _median_of_moving(spread / size) * size
        truncation = np.where(np.isnan(own.spread), spread, own.spread)
        uncertain = (truncation > np.abs(own.value) / 8) & (truncation > SAFETY * floor)
    return np.where(uncertain | np.isnan(own.value), np.nan, SAFETY * (spread + usual + floor))


def _largest(arrays: Sequence[Array]) -> Array:
    """The largest of each element that is not NaN."""
    return np.asarray(np.fmax.reduce([np.asarray(array) for array in arrays]))


def _median_of_moving(spread: Array) -> Array:
    """The median along the first axis of what is finite and not zero; zero where there is nothing."""
    ordered = np.sort(np.where(np.isfinite(spread) & (spread > 0), spread, np.inf), axis=0)
    count = np.isfinite(ordered).sum(axis=0)
    middle = np.take_along_axis(ordered, np.maximum(count[None] - 1, 0) // 2, axis=0)[0]
    return np.where(count > 0, middle, 0.0)


def residuals(discrepancy: Array, tolerance: Array) -> Array:
    """Discrepancies over their tolerances: more than 1 is a failure, NaN where there is no tolerance to be had."""
    with np.errstate(all="ignore"):
        ratio = np.where(np.isfinite(discrepancy), np.abs(discrepancy) / tolerance, np.inf)
    return np.where(np.isfinite(tolerance), np.where(discrepancy == 0, 0.0, ratio), np.nan)


def second_look(first: Array, second: Array) -> Array:
    """Residuals of rows that have been looked at again where they failed, or had no verdict."""
    return np.where(first <= 1, first, np.fmin(first, second))


def sizes(values: Array) -> Array:
    """Sizes s_i of the elements of the rows ``values`` (n, M): their own, or at least what is typical of their column.

    Typical is the median of those that are not zero: one that is far larger than the others must not set their step.
    """
    magnitudes = np.abs(values)
    column = _median_of_moving(magnitudes)
    overall = float(_median_of_moving(magnitudes.ravel()[:, None])[0]) or 1.0
    return np.asarray(np.maximum(magnitudes, np.where(column > 0, column, overall)))


def random_direction(size: Array, random: np.random.Generator) -> Array:
    """A direction whose elements are ±m_i s_i."""
    return np.asarray(size * random.choice((-1.0, 1.0), size.shape) * random.uniform(0.5, 1.5, size.shape))
