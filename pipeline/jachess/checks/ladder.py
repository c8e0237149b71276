"""Central differences (8.35) on a ladder of steps ε, and what it tells of a function that nothing is known of.

**Ladder.** Steps ε_j = 4^-j along one direction v. D_j = [f(x+ε_j v) − f(x−ε_j v)]/2ε_j is off by c₁ε² + c₂ε⁴ + …,
terms that become 16, 256, … times smaller from one step to the next; a second derivative's differences [f(x+ε_j v) −
2f(x) + f(x−ε_j v)]/ε_j² likewise. Combinations E_mj of m + 1 neighbours cancel the first m terms (Richardson), and as
they are linear, what they do to noise is known. Noisy functions are served by large steps and high m, steep ones by
small steps.

**Tolerance.** T = |E_mj − E_m,j−1| is 16^(m+1) − 1 times the truncation error of E_mj, at least 15 times; to count on
no chance it is not less than the T before it foretells, and the largest of all directions. N is the noise in E_mj. The
tolerance is 2 T + `SAFETY` N, and each row takes the combination whose tolerance is least. The claim has no part in it.
A discrepancy that is larger than its tolerance has not changed by half from the step before. On a log-log ladder it has
a slope below log 1.5 / log 4 = 0.3, where that of a right derivative has slope 2 (m = 0): the order check is in the
tolerance.

**Kinks.** S_j = [f(x+ε_j v) − 2f(x) + f(x−ε_j v)]/ε_j, the difference of the one-sided slopes, is an odd series in ε,
and R_j = |S_j − S_(j−1)/4| falls as ε³, 64-fold with each step. A kink at the distance a, where the slope jumps by s,
adds s(1 − a/ε) to S while it is within the step, and half of that to the error of D_j. So where R_j is 8 times what the
R before foretell, and above the noise, a kink is within the step: this step and all larger ones are no witnesses, nor
are smaller ones in whose noise it would not be seen. Several kinks may cancel in T; as they do not in T and R both, R
is part of the tolerance, 4-fold, wherever it is twice what is foretold. Of the second derivative's differences the
other half is (D_j − D_(j−1))/ε_j, which a jump of the curvature keeps from falling in the same way.

**Roughness.** What looks like noise may be a function that moves within much less than the steps, as sin does at 10⁶.
So where the noise is more than the type of the values explains, and all that is seen, there is no witness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jachess.backprop.differences import SAFETY
from jachess.checks.noise import Noise
from jachess.network.graph import Array

STEPS = 4.0 ** -np.arange(8)
"""The ladder's steps ε_j, the largest first."""
ROUGH = 2.0**10
"""Noise of so many unit roundoffs is more than rounding of the values does."""
ORDERS = 4
"""Combinations of up to so many neighbours."""


@dataclass(frozen=True)
class Line:
    """A function of t, with K values, at 0 and at both sides.

    Attributes
    ----------
    middle : array (K,)
    right, left : array (steps, K)
        At ± `STEPS`.
    noise : array (K,)
        Standard deviation of the values.
    unit : float
        Unit roundoff of their type.
    """

    middle: Array
    right: Array
    left: Array
    noise: Array
    unit: float

    @classmethod
    def of(cls, along: Callable[[float], Array], middle: Array, noise: Noise, again: bool) -> Line:
        """Ask the function of t, whose value at 0 is known; measure its noise, if not ``again``."""
        right, left = (np.stack([along(sign * t) for t in STEPS]) for sign in (1, -1))
        return cls(middle, right, left, noise.near(along, again), noise.unit)

    def slopes(self) -> Ladder:
        """Differences for the first derivative at 0."""
        steps = STEPS[:, None]
        with np.errstate(all="ignore"):
            values, others = (self.right - self.left) / (2 * steps), self._bends() / steps
        noise, others_noise = self.noise / (2**0.5 * steps), 6**0.5 * self.noise / steps
        return Ladder.of(values, noise, others, others_noise, self._moves() / steps, self._rough())

    def curvatures(self) -> Ladder:
        """Differences for the second derivative at 0."""
        steps = STEPS[:, None]
        with np.errstate(all="ignore"):
            values, slopes = self._bends() / steps**2, (self.right - self.left) / (2 * steps)
            others = (slopes - _before(slopes)) / steps
        noise, others_noise = 6**0.5 * self.noise / steps**2, self.noise / steps**2
        return Ladder.of(values, noise, others, others_noise, self._moves() / steps**2, self._rough())

    def _bends(self) -> Array:
        return np.asarray((self.right - self.middle) - (self.middle - self.left))

    def _moves(self) -> Array:
        """How far the function goes from its middle with each step (steps, K)."""
        moves = np.maximum(np.abs(self.right - self.middle), np.abs(self.left - self.middle))
        return np.where(np.isfinite(moves), moves, 0.0)

    def _rough(self) -> Array:
        size = np.abs(self.middle) + self._moves().max(axis=0)
        return np.asarray(self.noise > ROUGH * (self.unit * size + np.finfo(np.float64).tiny))


@dataclass(frozen=True)
class Ladder:
    """Differences at all steps.

    Attributes
    ----------
    values : array (steps, K)
        NaN where the function had no value.
    noise : array (steps, K)
        Standard deviations.
    rest, excess : array (steps, K)
        R, and R where it is more than is foretold.
    begin : int array (K,)
        The first step that no kink is seen within.
    moves : array (steps, K)
        How far the function goes with each step, as a slope or a curvature.
    rough : bool array (K,)
        Whether the noise is more than the type of the values explains.
    """

    values: Array
    noise: Array
    rest: Array
    excess: Array
    begin: Array
    moves: Array
    rough: Array

    @classmethod
    def of(cls, values: Array, noise: Array, others: Array, others_noise: Array, moves: Array, rough: Array) -> Ladder:
        """From the differences and the function's other half, and the noise in both."""
        with np.errstate(all="ignore"):
            rest = np.abs(np.concatenate([others[:1], others[1:] - others[:-1] / 4]))
            foretold = np.maximum(_before(rest) / 64, _before(rest, 2) / 64**2)
            seen = (rest > 8 * foretold) & (rest > SAFETY * others_noise)
            excess = np.where((rest > 2 * foretold) & (rest > SAFETY / 2 * others_noise), rest, 0.0)
        last = len(seen) - 1 - seen[::-1].argmax(axis=0)[None]
        next_noise = np.take_along_axis(others_noise, np.minimum(last + 1, len(seen) - 1), axis=0)
        hidden = SAFETY * next_noise > np.take_along_axis(rest, last, axis=0) / 2
        begin = np.where(seen.any(axis=0), np.where(hidden, len(seen), last + 1)[0], 0)
        return cls(values, noise, rest, excess, begin, moves, rough)

    def flat(self) -> Array:
        """Whether (K,) no step moves the function out of its noise."""
        return np.asarray((self.moves <= 2 * SAFETY * self.noise).all(axis=0))

    def clear(self) -> Array:
        """The differences at the steps that no kink is seen within, NaN at the others."""
        return np.where(np.arange(len(STEPS))[:, None] >= self.begin, self.values, np.nan)

    def minus(self, other: Ladder) -> Ladder:
        """A quarter of the difference of two ladders: uᵀHv from the curvatures along u + v and u − v."""
        return Ladder(
            (self.values - other.values) / 4,
            np.hypot(self.noise, other.noise) / 4,
            (self.rest + other.rest) / 4,
            (self.excess + other.excess) / 4,
            np.maximum(self.begin, other.begin),
            (self.moves + other.moves) / 4,
            self.rough | other.rough,
        )

    def twice(self) -> Ladder:
        """The same for two rows, of a ladder of one."""
        return Ladder(*(np.repeat(array, 2, axis=-1) for array in vars(self).values()))

    def combination(self, m: int) -> tuple[Array, Array, Array]:
        """E_mj, T with what kinks may add to it, and N: arrays (steps, K); T is infinite where E_mj is no witness."""
        steps, weights, lost = np.arange(len(STEPS))[:, None], _weights(m), ~np.isfinite(self.values)
        values = weights @ np.where(lost, 0.0, self.values)
        values[(steps < m) | (np.abs(weights) @ lost > 0)] = np.nan
        change = np.abs(values - _before(values))
        foretells = steps - m - 2 >= self.begin
        change = np.maximum(change, np.where(foretells, _before(change) / 16.0 ** (m + 1), self.rest)) + 2 * self.excess
        witness = (foretells if m else steps - 1 >= self.begin) & np.isfinite(change) & ~(self.flat() & self.rough)
        return values, np.where(witness, change, np.inf), np.sqrt(weights**2 @ self.noise**2)


def _before(values: Array, count: int = 1) -> Array:
    """The values of so many steps before; NaN where there are none."""
    return np.concatenate([np.full_like(values[:count], np.nan), values[:-count]])


def _weights(m: int) -> Array:
    """Weights (steps, steps) that cancel the first m error terms."""
    weights = np.eye(len(STEPS))
    for order in range(1, m + 1):
        weights = (16.0**order * weights - np.nan_to_num(_before(weights))) / (16.0**order - 1)
    return weights


@dataclass(frozen=True)
class Estimate:
    """The best difference of each row along one direction; arrays (K,).

    Attributes
    ----------
    value : array
    tolerance : array
        How far a right derivative may be from it; infinite where the differences are no witness.
    noise : array
        The part of the tolerance that is the function's noise.
    kinked : bool array
        Where a kink was seen within every step.
    """

    value: Array
    tolerance: Array
    noise: Array
    kinked: Array

    @classmethod
    def none(cls, ladder: Ladder) -> Estimate:
        """No difference yet."""
        infinite = np.full(len(ladder.begin), np.inf)
        return cls(infinite, infinite, infinite, ladder.begin >= len(STEPS) - 1)


def estimates(ladders: Sequence[Ladder]) -> list[Estimate]:
    """For each direction the combination with the least tolerance, row by row."""
    best = [Estimate.none(ladder) for ladder in ladders]
    for m in range(ORDERS):
        combinations = [ladder.combination(m) for ladder in ladders]
        largest = np.max([np.where(np.isinf(change), 0, change) for _, change, _ in combinations], axis=0)
        for number, (values, change, noise) in enumerate(combinations):
            tolerance = np.where(np.isinf(change), np.inf, 2 * largest) + SAFETY * noise
            step = tolerance.argmin(axis=0)[None]
            found = [np.take_along_axis(a, step, axis=0)[0] for a in (values, tolerance, SAFETY * noise)]
            old = best[number]
            better = (found[1] < old.tolerance) | np.isinf(old.value)
            pairs = zip(found, (old.value, old.tolerance, old.noise), strict=True)
            value, tolerance, noise = (np.where(better, new, known) for new, known in pairs)
            best[number] = Estimate(value, tolerance, noise, old.kinked)
    return best
