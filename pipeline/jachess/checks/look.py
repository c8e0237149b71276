"""One look at all rows of a derivative, along some directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from jachess.backprop.differences import SAFETY, residuals
from jachess.checks.ladder import STEPS, estimates
from jachess.checks.probes import Probe, Sight
from jachess.network.graph import Array

VISIBLE = 0.1
"""Share of a typical element that an error must have to be seen, at most, for the row to have a verdict."""
RIGHT, WRONG, SUSPECT, KINK, NOISE, UNSETTLED, DISAGREE = range(7)
REASONS = {
    KINK: "a kink lies at the point or too near to it",
    NOISE: "the function's rounding errors hide its changes",
    UNSETTLED: "the differences do not settle as the step gets smaller",
    DISAGREE: "the complex step disagrees with the real one: the function is not analytic as it is written",
}


@dataclass(frozen=True)
class Look:
    """What is seen along some directions; arrays (K,).

    Attributes
    ----------
    state : int array
        `RIGHT`; `WRONG`; `SUSPECT`, which is wrong unless smaller steps show it right; or why there is no verdict.
    residual : array
        Largest discrepancy over tolerance.
    tolerance : array
        The smallest of all directions.
    element : array
        Size of a typical element, as it counts in a slope.
    numerical, claimed : array
        The slope along the direction with the smallest tolerance.
    ladder : array (steps, K)
        Largest discrepancy at each step; NaN where a kink is within it.
    noise : array (steps, K)
        What noise may contribute to it.
    """

    state: Array
    residual: Array
    tolerance: Array
    element: Array
    numerical: Array
    claimed: Array
    ladder: Array
    noise: Array

    @classmethod
    def along(cls, probe: Probe, directions: Sequence[Array], again: bool = False, largest: bool = False) -> Look:
        """Look along the directions and judge each row.

        Parameters
        ----------
        probe : Probe
        directions : sequence of arrays
        again : bool
            Whether the noise is known.
        largest : bool
            Whether no larger steps will be tried, so that a row of zeros is right if nothing moves.
        """
        sights = [probe.sight(direction, again) for direction in directions]
        claimed, size = (np.array([getattr(s, name) for s in sights]) for name in ("claimed", "size"))
        numerical, tolerance, why = _differences(sights)
        tolerance = tolerance + np.nan_to_num([s.rounding for s in sights], posinf=0)
        best = tolerance.argmin(axis=0)[None]
        witness = np.isfinite(tolerance)
        ratios = np.where(witness, residuals(claimed - numerical, np.where(witness, tolerance, 1)), 0)
        ratios = np.where(np.isfinite(claimed), ratios, np.inf)

        def chosen(array: Array) -> Array:
            return np.asarray(np.take_along_axis(array, best, axis=0)[0])

        element = size.max(axis=0) / probe.n_terms**0.5
        with np.errstate(all="ignore"):
            ladder = np.max([np.abs(s.claimed - s.ladder.clear()) for s in sights], axis=0)
        moves = np.max([s.ladder.moves for s in sights], axis=(0, 1))
        flat, rough = (np.array(a) for a in zip(*((s.ladder.flat(), s.ladder.rough) for s in sights), strict=True))
        seen = chosen(tolerance) <= VISIBLE * np.where(element > 0, element, moves)
        seen |= chosen(witness) & (element == 0) & largest & flat.all(axis=0)
        state = np.where(seen, RIGHT, chosen(why))
        residual = ratios.max(axis=0)
        state = np.where(residual > 1, np.where(rough.any(axis=0) & np.isfinite(residual), SUSPECT, WRONG), state)
        steps_noise = SAFETY * np.max([s.ladder.noise for s in sights], axis=0)
        return cls(state, residual, chosen(tolerance), element, chosen(numerical), chosen(claimed), ladder,
                   steps_noise)  # fmt: skip

    def updated(self, other: Look, where: Array) -> Look:
        """With the rows of another look ``where`` (K,) they are to count."""
        pairs = ((getattr(other, f.name), getattr(self, f.name)) for f in fields(self))
        return Look(*(np.where(where, new, old) for new, old in pairs))

    def judged(self) -> Array:
        """Which rows have a verdict."""
        return np.isin(self.state, (RIGHT, WRONG))

    def doubtful(self) -> Array:
        """Which rows seem wrong."""
        return np.isin(self.state, (WRONG, SUSPECT))

    def visible(self) -> Array:
        """The error that would be seen, as a share of a typical element; NaN for rows of zeros."""
        with np.errstate(all="ignore"):
            return np.where(self.element > 0, self.tolerance / self.element, np.nan)

    def slopes(self) -> Array:
        """Slope of the discrepancy on the log-log ladder, at the last steps where it stands out of noise; or NaN."""
        with np.errstate(all="ignore"):
            out = (self.ladder > self.noise) & (np.arange(len(STEPS)) > 0)[:, None]
            last = (len(out) - 1 - out[::-1].argmax(axis=0))[None]
            fall = np.take_along_axis(self.ladder, last - 1, axis=0) / np.take_along_axis(self.ladder, last, axis=0)
            slope = np.log(fall[0]) / np.log(STEPS[0] / STEPS[1])
        return np.where(out.any(axis=0), slope, np.nan)


def _differences(sights: Sequence[Sight]) -> tuple[Array, Array, Array]:
    """The numerical slopes, their tolerances, and why there might be no verdict: arrays (directions, K)."""
    found = estimates([sight.ladder for sight in sights])
    numerical, tolerance, noise = (
        np.array([getattr(e, name) for e in found]) for name in ("value", "tolerance", "noise")
    )
    why = np.where((noise > tolerance / 2) | [s.ladder.flat() & s.ladder.rough for s in sights], NOISE, UNSETTLED)
    why = np.where([estimate.kinked for estimate in found], KINK, why)
    for row, sight in enumerate(sights):
        if sight.exact is not None:
            value, allowed = sight.exact
            agrees = ~(np.abs(value - numerical[row]) > tolerance[row] + allowed)
            use = agrees & (why[row] != KINK)
            numerical[row] = np.where(use, value, numerical[row])
            tolerance[row] = np.where(use, allowed, np.where(agrees, tolerance[row], np.inf))
            why[row] = np.where(agrees, why[row], DISAGREE)
    return numerical, tolerance, why
