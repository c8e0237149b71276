"""Where the points are in a network's values: what another point changes is on its part of the axis."""

from __future__ import annotations

import numpy as np
import pytest

from jachess.network.evaluation import evaluate
from jachess.network.operations.record import PointAxis
from jachess.network.point_axes import point_axes
from jachess.network.weight_vector import unpack
from tests.networks import CASES, Case

N_POINTS = 4


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("point", [0, 2])
def test_a_point_changes_its_own_elements_alone(case: Case, point: int) -> None:
    network, axes = case.network, point_axes(case.network)
    given = {**network.constants, **unpack(network, network.w)}
    points = case.points[0][:N_POINTS].copy()
    before = evaluate(network.nodes, {**given, "x": points.copy()})
    points[point] += 1
    after = evaluate(network.nodes, {**given, "x": points})
    assert axes[network.output][0] == PointAxis(0)
    for name, (axis, shape) in axes.items():
        changed = axis.by_position((before[name] != after[name])[..., None], len(shape) + 1)
        assert changed.shape == (N_POINTS, 1, np.prod(shape))
        assert changed[point].any() or name != network.output
        changed[point] = False
        assert not changed.any()


def test_tokens_are_found_on_the_axis_of_the_points() -> None:
    case = next(case for case in CASES if str(case).startswith("folded"))
    folds = {(axis.before, axis.after) for axis, _ in point_axes(case.network).values()}
    assert folds == {(1, 1), (2, 2), (2, 1), (1, 2)}
