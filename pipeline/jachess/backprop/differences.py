"""Central differences (8.35), the numerical opponent of every derivative.

**Directional check.** With a direction v, J v against [y(x+εv) − y(x−εv)]/2ε checks every row of a Jacobian by two
forward propagations, and H v against [∇E(w+εv) − ∇E(w−εv)]/2ε every row of a Hessian by two gradients. Directions are
±s_i with random signs, s_i the size of the i-th input or weight, so that every element counts by what it contributes.

**Step.** D(ε) = [f(ε) − f(−ε)]/2ε has the truncation error ε²f'''/6 and the rounding error of about u|f|/ε; the two
are equal near ε = u^(1/3) (u = 2^-53), where both are about u^(2/3).

**Tolerance.** It comes from the differences alone, never from the derivative under test, so that a wrong derivative
cannot widen it. T = |D(2ε) − D(ε)| holds three times the truncation error of D(ε), and, as a combination of the four
evaluations, (√10/4)·σ/ε of their rounding noise σ, slightly more than D(ε)'s own (1/√2)·σ/ε. One T may be small by
chance, so the largest of all directions counts, and what is usual for rows of that kind joins it: the median T, and the
median of T over the row's own size |D|, since noise comes in proportion to what it passes through. u|f|/ε is the
least that rounding must do. The discrepancy is normal-like, so `SAFETY` = 10 such deviations are not passed by chance.
To this comes the rounding of the stored derivative itself, its unit roundoff times Σ_i |J_ki v_i| times the root of
the number of terms.

**Kinks.** Where an operation changes its side between the evaluations (ReLU, maximum, …) the difference is no
witness. Such points are tried again with smaller steps, then left out, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from jachess.backprop.propagation import Points, State, forward
from jachess.network.graph import Array, Network
from jachess.network.operations import TABLE

UNIT_ROUNDOFF = 2.0**-53
STEP = UNIT_ROUNDOFF ** (1 / 3)
STEPS = (STEP, STEP / 16, STEP / 256)
"""The step, and those of the further tries at points with kinks."""
SAFETY = 10.0
OFFSETS = (-2.0, -1.0, 1.0, 2.0)
"""The evaluations of one difference, in steps."""


@dataclass(frozen=True)
class Difference:
    """Central differences D(ε) of some function values and what is known of their errors (same shape)."""

    value: Array
    spread: Array
    floor: Array

    @classmethod
    def of(cls, evaluations: Iterable[Array], step: float) -> Difference:
        """From the function's values at `OFFSETS` steps."""
        far_left, left, right, far_right = evaluations
        value = (right - left) / (2 * step)
        spread = np.abs((far_right - far_left) / (4 * step) - value)
        return cls(value, spread, UNIT_ROUNDOFF * np.maximum(np.abs(left), np.abs(right)) / step)


def tolerance(differences: Sequence[Difference]) -> Array:
    """How far right derivatives may be from the values of ``differences``, one for each direction.

    Parameters
    ----------
    differences : sequence of Difference
        Arrays (rows, …): rows of one kind along the first axis.

    Returns
    -------
    array (rows, …)
    """
    spread = np.max([difference.spread for difference in differences], axis=0)
    size = np.max([np.abs(difference.value) for difference in differences], axis=0)
    floor = np.max([difference.floor for difference in differences], axis=0)
    with np.errstate(all="ignore"):
        usual = _median_of_moving(spread) + _median_of_moving(spread / size) * size
    return np.asarray(SAFETY * (spread + usual + floor))


def _median_of_moving(spread: Array) -> Array:
    """The median along the first axis of what is finite and not zero; zero where there is nothing."""
    ordered = np.sort(np.where(np.isfinite(spread) & (spread > 0), spread, np.inf), axis=0)
    count = np.isfinite(ordered).sum(axis=0)
    middle = np.take_along_axis(ordered, np.maximum(count[None] - 1, 0) // 2, axis=0)[0]
    return np.where(count > 0, middle, 0.0)


def rounding(terms: Array, dtype: DTypeLike) -> Array:
    """Rounding error of Σ_i J_ki v_i, from |J_ki v_i| along the last axis, for a derivative stored as ``dtype``."""
    unit = float(np.finfo(np.dtype(dtype)).eps) / 2
    return np.asarray(SAFETY * unit * np.sqrt(terms.shape[-1]) * np.abs(terms).sum(axis=-1))


def residuals(discrepancy: Array, tolerance: Array) -> Array:
    """Discrepancies over their tolerances; more than 1 is a failure, and so is a derivative that is not finite."""
    with np.errstate(all="ignore"):
        ratio = np.abs(discrepancy) / tolerance
    return np.where(discrepancy == 0, 0.0, np.where(np.isfinite(discrepancy), ratio, np.inf))


def sizes(values: Array) -> Array:
    """Sizes s_i of the elements of the rows ``values`` (n, M): their own, or at least their column's typical one."""
    column = np.sqrt((values**2).mean(axis=0))
    column = np.where(column > 0, column, np.sqrt((values**2).mean()) or 1.0)
    return np.asarray(np.maximum(np.abs(values), column))


def sides(network: Network, state: State) -> list[Array]:
    """On which piece each operation with kinks works, one array (n, …) for each such operation."""
    pieces = []
    for node, call in zip(network.nodes, state.calls, strict=True):
        rule = TABLE[node.operation].sides
        if rule is not None:
            piece = np.asarray(rule(call))
            by_point = piece.ndim > 0 and piece.shape[0] > 0 and piece.shape[0] % state.n_points == 0
            # what does not tell its points apart counts for all of them
            rows = piece.reshape(state.n_points, -1) if by_point else np.tile(piece.ravel(), (state.n_points, 1))
            pieces.append(rows)
    return pieces


def same_sides(network: Network, states: Sequence[State]) -> Array:
    """Which points (n,) have no kink between the evaluations."""
    smooth = np.ones(states[0].n_points, bool)
    pieces = [sides(network, state) for state in states]
    for others in pieces[1:]:
        for first, other in zip(pieces[0], others, strict=True):
            smooth &= (first == other).all(axis=1)
    return smooth


def shifted(points: Points, which: int, direction: Array, step: float) -> Points:
    """The points with input number ``which`` moved by ``step`` times the direction (n, D)."""
    moved = points[which] + step * direction.reshape(points[which].shape)
    return (*points[:which], moved, *points[which + 1 :])


def difference_of_outputs(network: Network, points: Points, directions: Array) -> tuple[Difference, Array]:
    """Differences of the outputs (n, K) along one direction of the inputs for each point, ``directions`` (n, D).

    Returns
    -------
    Difference
        Arrays (n, K).
    smooth : bool array (n,)
        False where every step met a kink.
    """
    which = next(i for i, x in enumerate(network.inputs) if x.name == network.input)
    shape = (len(directions), network.n_outputs)
    found = Difference(np.zeros(shape), np.zeros(shape), np.zeros(shape))
    pending = np.arange(len(directions))
    for step in STEPS:
        some = tuple(array[pending] for array in points)
        states = [forward(network, shifted(some, which, directions[pending], k * step)) for k in OFFSETS]
        part = Difference.of([state.outputs(network) for state in states], step)
        for whole, piece in zip(
            (found.value, found.spread, found.floor), (part.value, part.spread, part.floor), strict=True
        ):
            whole[pending] = piece
        pending = pending[~same_sides(network, states)]
        if not len(pending):
            break
    smooth = np.ones(len(directions), bool)
    smooth[pending] = False
    return found, smooth
