"""How much a function's values are off by rounding, measured.

Moré and Wild (Estimating computational noise, SIAM J. Sci. Comput. 33, 2011): in a table of differences of values at
equal spacings h, what is smooth vanishes with the order k as h^k; noise of standard deviation σ does not, but grows to
σ √C(2k, k). So each high order gives an estimate of σ. It finds what the type of the values does not tell: float32
inside a function that returns float64, sums that cancel, tolerances of solvers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jachess.network.graph import Array

ORDERS = (4, 6, 8)
SIDE = 11
"""Values at either side of the middle, each side on its own: a kink spoils one of them at most."""
APART = 8.0
"""How much more noise one side may show than both do together; with more there is a kink in it."""
SPACING = 2.0**-13


class Noise:
    """The noise of a function's values, measured along one direction after the other.

    Parameters
    ----------
    kind : dtype
        The type of the values, which are off by its unit roundoff at least.
    """

    def __init__(self, kind: np.dtype[Any]) -> None:
        self.unit = float(np.finfo(kind).eps) / 2
        self.first: Array | None = None

    def near(self, along: Callable[[float], Array], again: bool = False) -> Array:
        """Standard deviation (K,) of the values of a function of t near t = 0.

        Where neighbouring values are the same, the spacing may be too small for the noise to show: it counts as no
        smaller than it was when it was measured first, at the largest spacing. If that will do ``again``, the function
        is not asked.
        """
        if again and self.first is not None:
            return self.first
        sides = [np.stack([along(sign * k * SPACING) for k in range(1, SIDE + 1)]) for sign in (-1, 1)]
        found = self._deviation(sides)
        if self.first is None:
            self.first = found
        tied = np.any([(np.diff(side, axis=0) == 0).any(axis=0) for side in sides], axis=0)
        return np.where(tied, np.maximum(found, self.first), found)

    def _deviation(self, sides: list[Array]) -> Array:
        """Of the two sides together, at least what is usual for values of that size and what their type must do."""
        size = np.abs(sides[0][0])
        with np.errstate(all="ignore"):
            left, right = (np.median(_estimates(side), axis=0) for side in sides)
            both, one = np.hypot(left, right) / 2**0.5, np.fmin(left, right)
            measured = np.where(both <= APART * one, both, one)
            shares = (measured / size)[(size > 0) & np.isfinite(measured)]
        usual = float(np.median(shares)) if len(shares) else 0.0
        least = np.maximum(max(self.unit / 2, usual) * size, np.finfo(np.float64).tiny)
        return np.asarray(np.fmax(measured, least))


def _estimates(values: Array) -> list[Array]:
    """Standard deviations (K,) from values (points, K) at equal spacings, one for each order."""
    tables = [np.diff(values, order, axis=0) for order in ORDERS]
    return [np.sqrt((t**2).mean(axis=0) / math.comb(2 * n, n)) for n, t in zip(ORDERS, tables, strict=True)]
