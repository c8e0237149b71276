"""Two ways to one derivative, and how far they may be apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from jachess.backprop.differences import DISTURBANCE, SAFETY, STEP, TINY, UNIT_ROUNDOFF, Difference, disturbance
from jachess.network.evaluation import Disturb
from jachess.network.graph import Array

CHANGES = 3
"""How often something is disturbed; the largest effect counts."""
LADDER = tuple(STEP * 4.0**k for k in range(6))
"""Steps for the order of the differences."""
CLEAR = 30.0
"""How many times its rounding a discrepancy must be to show its order to a tenth."""
IMAGINARY = 1e-20
"""The complex step: its square vanishes beside 1."""


@dataclass(frozen=True)
class Comparison:
    """Two ways, by name, and the largest discrepancy between them over its tolerance; at most 1 if they agree."""

    name: str
    residual: float


def worst(discrepancy: Array, allowed: Array) -> float:
    """The largest discrepancy over what is allowed."""
    with np.errstate(all="ignore"):
        ratio = (np.abs(discrepancy) / allowed).max(initial=0.0)
    return float(ratio) if np.isfinite(ratio) else float("inf")


def noise(derivative: Array, changed: Sequence[Array]) -> Array:
    """What rounding may do to each element: to its whole row as to its largest, since all have the same factors."""
    size = np.abs(derivative).max(axis=-1, keepdims=True)
    moved = np.max([np.abs(other - derivative).max(axis=-1, keepdims=True) for other in changed], axis=0)
    usual = np.median(moved[size > 0] / size[size > 0]) * size if size.any() else 0.0
    last = UNIT_ROUNDOFF * np.sqrt(derivative.shape[-1]) * size
    return np.asarray(SAFETY * (DISTURBANCE * np.maximum(moved, usual) + last) + TINY)


def by_complex_step(
    name: str,
    imaginary: Callable[[Disturb | None], Array],
    slope: Array,
    allowed: Array,
    random: np.random.Generator,
) -> Comparison:
    """The slope by Im f(x + iεv)/ε, whose own rounding shows when every result on the way is disturbed by √u."""
    found = imaginary(None) / IMAGINARY
    others = [imaginary(disturbance(random)) / IMAGINARY for _ in range(CHANGES)]
    moved = np.max([np.abs(other - found) for other in others], axis=0)
    underflow = TINY / IMAGINARY
    return Comparison(name, worst(found - slope, allowed + SAFETY * DISTURBANCE * moved + underflow))


def order_of_differences(
    name: str, difference: Callable[[float], Difference], slope: Array, allowed: Array, numbers: dict[str, float]
) -> Iterator[Comparison]:
    """The order with which differences approach a derivative: 2 if it is right, 0 if it is wrong.

    It shows at the finest steps that are clear of rounding, that of the derivative too, if the differences converge
    there.
    """
    for fine, coarse in pairwise(difference(step) for step in LADDER):
        near, far = (float(np.linalg.norm(each.value - slope)) for each in (fine, coarse))
        converging = np.linalg.norm(coarse.value - fine.value) < np.linalg.norm(fine.value) / 8
        rounding = max(float(np.linalg.norm(allowed)), CLEAR * float(np.linalg.norm(fine.floor)))
        if near > rounding:
            if converging:
                order = float(np.log(far / near) / np.log(LADDER[1] / LADDER[0]))
                numbers[f"order of {name} differences"] = order
                yield Comparison(f"{name}: order of differences = 2", abs(2 - order))
            return  # what does not converge here does not do so at larger steps
