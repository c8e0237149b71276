"""What was found in the rows of a derivative: numbers, and the wrong elements in the wrong rows."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from jachess.checks.directions import part, scales
from jachess.checks.ladder import STEPS
from jachess.checks.locate import locate
from jachess.checks.look import REASONS, RIGHT, WRONG, Look
from jachess.checks.probes import Curvatures, Slopes
from jachess.checks.rows import Rows
from jachess.checks.verdict import Element, Finding
from jachess.errors import InputError
from jachess.network.graph import Array

WORST = 5


def finding_of(probe: Slopes | Curvatures, scale: ArrayLike | None, directions: int, seed: int) -> Finding:
    """Check all rows of a claimed derivative.

    Parameters
    ----------
    probe : Slopes or Curvatures
    scale, directions, seed
        As for `jachess.check_jacobian`.
    """
    if directions < 1:
        raise InputError(f"directions: wanted one at least (got {directions}).")
    function = probe.function
    tried = list(scales(function.x, scale, function.input_shape))
    rows = Rows(probe, np.random.default_rng(seed), directions, tried)
    look, size = rows.look()
    wrong = np.flatnonzero(look.state == WRONG)
    worst = wrong[np.argsort(-look.residual[wrong], kind="stable")][:WORST]
    elements = _elements(rows, size, wrong) if len(wrong) else []
    reasons = Counter(REASONS[state] for state in look.state.tolist() if state in REASONS)
    judged = look.judged()
    largest = int(np.where(judged, look.residual, -1).argmax())
    ladder = [(float(e), float(d)) for e, d in zip(STEPS, look.ladder[:, largest], strict=True) if np.isfinite(d)]
    return Finding(
        len(judged),
        len(wrong),
        int((~judged).sum()),
        float(look.residual[largest]) if judged.any() else 0.0,
        tuple((probe.row_name(int(k)), float(look.residual[k])) for k in worst),
        tuple(elements),
        dict(reasons),
        _numbers(look, largest, function.n_calls),
        ladder=tuple(ladder),
    )


def _numbers(look: Look, worst: int, n_calls: int) -> dict[str, float]:
    """What it took; the error in an element that would have been seen; the slope of the discrepancy on the ladder."""
    numbers = {"evaluations": float(n_calls)}
    visible, slopes = look.visible()[look.state == RIGHT], look.slopes()
    if np.isfinite(visible).any():
        numbers["smallest_visible_error"] = float(np.nanmax(visible))
    slopes = slopes[[worst]] if look.state[worst] == WRONG else slopes[look.state == RIGHT]
    if np.isfinite(slopes).any():
        numbers["slope"] = float(np.nanmedian(slopes))
    return numbers


def _elements(rows: Rows, scale: Array, wrong: Array) -> list[Element]:
    """The worst of some wrong elements in the wrong rows."""
    everything = [np.arange(len(scale))]

    def residual(which: Array, others: Array | None = None) -> float:
        direction = part(rows.direction(scale), which, others)
        return float(Look.along(rows.probe, [direction], again=True).residual[wrong].max())

    places: list[tuple[int, ...]] = [(i,) for i in locate(residual, rows.suspects or everything)]
    if rows.probe.pair:
        places = [(i, j) for (i,) in places for j in locate(partial(residual, np.array([i])), everything)]
    found: dict[tuple[int, ...], tuple[float, Element]] = {}
    for place in places:
        direction = part(rows.direction(scale), *(np.array([i]) for i in place))
        look, move = Look.along(rows.probe, [direction], again=True), direction[direction != 0].prod()
        for k in wrong[look.residual[wrong] > 1].tolist():
            claimed, numerical = float(look.claimed[k] / move), float(look.numerical[k] / move)
            index, tolerance = rows.probe.index(k, place), float(look.tolerance[k] / abs(move))
            element = Element(index, claimed, numerical, abs(claimed - numerical), tolerance)
            found[index] = float(look.residual[k]), element
    return [element for _, element in sorted(found.values(), key=lambda pair: -pair[0])][:WORST]
