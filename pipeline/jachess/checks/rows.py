"""All rows of a derivative along random directions: at one scale after the other, and in parts.

**Parts.** Noise hides the same error along every direction. But along one that moves few inputs the function is closer
to linear, and larger steps will do, of which less of the noise is left: with G parts, √G times larger ones. So where an
error of `AIM` in a typical element would not be seen, the inputs are looked at in so many parts that it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from jachess.checks.directions import part, random_direction
from jachess.checks.look import RIGHT, VISIBLE, WRONG, Look
from jachess.checks.probes import Probe
from jachess.network.graph import Array

AIM = 0.005
"""Error of a typical element that should be seen; one of 1 % is then far outside of its tolerance."""
MOST_PARTS = 64


class Rows:
    """The rows of a derivative.

    Parameters
    ----------
    probe : Probe
    random : Generator
    n_directions : int
        Along how many directions every row is looked at.
    """

    def __init__(self, probe: Probe, random: np.random.Generator, n_directions: int) -> None:
        self.probe, self.random, self.n_directions = probe, random, n_directions
        self.suspects: list[Array] = []

    def look(self, scales: Iterable[Array]) -> tuple[Look, Array]:
        """Look until each row has a verdict, or nothing more can be done; and the scale (D,) of the first wrong row."""
        found, tried = None, []
        for scale in scales:
            seen = self.along(scale)
            tried.append(scale)
            if found is None:
                found, of_wrong = seen, scale
            else:
                of_wrong = of_wrong if (found.state == WRONG).any() else scale
                found = found.updated(seen, seen.judged() & ~found.judged())
            if found.judged().all():
                break
        assert found is not None
        return self._in_parts(found, tried[0]), of_wrong if (found.state == WRONG).any() else tried[0]

    def direction(self, scale: Array) -> Array:
        """A new random direction, or pair of directions."""
        return random_direction(np.broadcast_to(scale, (2, len(scale))) if self.probe.pair else scale, self.random)

    def along(self, scale: Array, which: Array | None = None, others: Array | None = None) -> Look:
        """Look along directions that move only the inputs ``which``; the second of a pair, only ``others``.

        Rows that seem wrong are looked at once more along new directions, and are wrong if they seem so again.
        """

        def look() -> Look:
            directions = [self.direction(scale) for _ in range(self.n_directions)]
            if which is None:
                return Look.along(self.probe, directions)
            return Look.along(self.probe, [part(direction, which, others) for direction in directions], again=True)

        seen = look()
        wrong = seen.state == WRONG
        if wrong.any():
            second = look()
            return seen.updated(second, wrong & (second.state != WRONG))
        return seen

    def _in_parts(self, found: Look, scale: Array) -> Look:
        """Look once more, at so many parts of the inputs that an error of `AIM` is seen in each."""
        coarse = (found.state != WRONG) & (found.element > 0) & ~(found.visible() <= AIM)
        if not coarse.any() or len(scale) == 1:
            return found
        wanted = np.max(found.visible(), where=coarse, initial=0)
        n_parts = min(len(scale), MOST_PARTS, math.ceil(min(wanted / AIM, MOST_PARTS) ** 2))
        state, tolerance, residual = found.state, np.zeros_like(found.tolerance), found.residual
        for which in np.array_split(self.random.permutation(len(scale)), n_parts):
            seen = self.along(scale, which)
            if (seen.state == WRONG).any():
                self.suspects.append(which)
            state = np.where(seen.state == WRONG, WRONG, state)
            tolerance, residual = np.maximum(tolerance, seen.tolerance), np.maximum(residual, seen.residual)
        better = coarse & (tolerance < found.tolerance)
        tolerance = np.where(better, tolerance, found.tolerance)
        fine = better & (state != WRONG) & (tolerance <= VISIBLE * found.element)
        return replace(found, state=np.where(fine, RIGHT, state), tolerance=tolerance, residual=residual)
