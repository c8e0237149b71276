"""All rows of a derivative along random directions: at one scale after the other, and in parts.

**Parts.** Noise hides the same error along every direction. But along one that moves few inputs the function is closer
to linear, and larger steps will do, of which less of the noise is left: with G parts, √G times larger ones. So where an
error of `AIM` in a typical element would not be seen, the inputs are looked at in so many parts that it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jachess.checks.directions import part, random_direction
from jachess.checks.look import RIGHT, SUSPECT, VISIBLE, WRONG, Look
from jachess.checks.probes import Probe
from jachess.network.graph import Array

AIM = 0.0025
"""Error of a typical element that should be seen; one of 1 % in an element that is not small is then outside of it."""
MOST_PARTS = 64


class Rows:
    """The rows of a derivative.

    Parameters
    ----------
    probe : Probe
    random : Generator
    n_directions : int
        Along how many directions every row is looked at.
    scales : sequence of arrays (D,)
        Of the inputs, the largest first.
    """

    def __init__(self, probe: Probe, random: np.random.Generator, n_directions: int, scales: Sequence[Array]) -> None:
        self.probe, self.random, self.n_directions, self.scales = probe, random, n_directions, scales
        self.suspects: list[Array] = []

    def look(self) -> tuple[Look, Array]:
        """Look until each row has a verdict, or nothing more can be done; and the scale (D,) of the first wrong row."""
        found, of_wrong = self.along(self.scales[0]), self.scales[0]
        for scale in self.scales[1:]:
            if found.judged().all():
                break
            if not found.doubtful().any():
                of_wrong = scale
            seen = self.along(scale)
            counts = seen.judged() & ~found.judged() & ((found.state != SUSPECT) | (seen.element > 0))
            found = found.updated(seen, counts)
        found = self._in_parts(replace(found, state=np.where(found.state == SUSPECT, WRONG, found.state)))
        return found, of_wrong if found.doubtful().any() else self.scales[0]

    def direction(self, scale: Array) -> Array:
        """A new random direction, or pair of directions."""
        return random_direction(np.broadcast_to(scale, (2, len(scale))) if self.probe.pair else scale, self.random)

    def along(self, scale: Array, which: Array | None = None) -> Look:
        """Look along directions that move all inputs, or only ``which``.

        Rows that seem wrong are looked at once more along new directions, and are wrong if they seem so again.
        """

        def look() -> Look:
            directions = [self.direction(scale) for _ in range(self.n_directions)]
            if which is None:
                return Look.along(self.probe, directions, largest=scale is self.scales[0])
            return Look.along(self.probe, [part(direction, which) for direction in directions], again=True)

        seen = look()
        if seen.doubtful().any():
            second = look()
            return seen.updated(second, seen.doubtful() & ~second.doubtful())
        return seen

    def _in_parts(self, found: Look) -> Look:
        """Look once more, at so many parts of the inputs that an error of `AIM` is seen in each."""
        scale = self.scales[0]
        coarse = (found.state != WRONG) & (found.element > 0) & ~(found.visible() <= AIM)
        if not coarse.any() or len(scale) == 1:
            return found
        wanted = np.max(found.visible(), where=coarse, initial=0)
        n_parts = min(len(scale), MOST_PARTS, math.ceil(min(wanted / AIM, MOST_PARTS) ** 2))
        state, tolerance, residual = found.state, np.zeros_like(found.tolerance), found.residual
        for which in np.array_split(self.random.permutation(len(scale)), n_parts):
            seen = self.along(scale, which)
            if (coarse & (seen.tolerance > AIM * found.element)).any():
                again = self.along(scale, which)  # new directions may miss a kink
                seen = seen.updated(again, again.doubtful() | (again.tolerance < seen.tolerance))
            if seen.doubtful().any():
                self.suspects.append(which)
            state = np.where(seen.doubtful(), WRONG, state)
            tolerance, residual = np.maximum(tolerance, seen.tolerance), np.maximum(residual, seen.residual)
        better = coarse & (tolerance < found.tolerance)
        tolerance = np.where(better, tolerance, found.tolerance)
        fine = better & (state != WRONG) & (tolerance <= VISIBLE * found.element)
        return replace(found, state=np.where(fine, RIGHT, state), tolerance=tolerance, residual=residual)
