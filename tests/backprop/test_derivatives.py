"""Jacobian, gradient and Hessian of all cases against each other and against differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jachess
from jachess.backprop.propagation import outputs
from jachess.network.graph import Array
from jachess.network.head import error_head
from tests.networks import CASES, Case

cases = pytest.mark.parametrize("case", CASES, ids=str)


def close(a: Array, b: Array, tolerance: float) -> None:
    """Largest difference over the largest entry."""
    assert a.shape == b.shape
    assert np.abs(a - b).max() <= tolerance * max(np.abs(b).max(), 1e-300)


@cases
@pytest.mark.parametrize("method", ["reverse", "forward", "mixed"])
def test_the_formalisms_agree(case: Case, method: str) -> None:
    close(
        jachess.jacobian(case.network, case.points[0], method=method),
        jachess.jacobian(case.network, case.points[0]),
        1e-13,
    )


@cases
def test_jacobian_against_differences(case: Case) -> None:
    x, step = case.points[0], 1e-5
    columns = [
        (outputs(case.network, (x + step * e,)) - outputs(case.network, (x - step * e,))) / (2 * step)
        for e in np.eye(x.shape[1])
    ]
    close(jachess.jacobian(case.network, x), np.stack(columns, axis=-1), 1e-7)


@cases
def test_gradient_against_differences(case: Case) -> None:
    step, values = 1e-5, []
    head = error_head(case.network, case.error)
    targets = head.targets(case.targets)
    for v in np.eye(case.network.n_weights):
        left, right = (
            head.error.value(outputs(head.network, case.points, case.network.w + k * step * v), targets).sum()
            for k in (-1, 1)
        )
        values.append((right - left) / (2 * step))
    close(jachess.gradient(case.network, case.points[0], case.targets, error=case.error), np.array(values), 1e-7)


@cases
def test_strip_formula_is_the_r_operator(case: Case) -> None:
    hessian = jachess.hessian(case.network, case.points[0], case.targets, error=case.error)
    unit_vectors = np.eye(case.network.n_weights)
    products = jachess.hessian_vector_product(
        case.network, case.points[0], case.targets, unit_vectors, error=case.error
    )
    close(hessian, products, 1e-13)
    assert (hessian == hessian.T).all()


@cases
def test_hessian_against_differences_of_the_gradient(case: Case) -> None:
    step, rows = 1e-5, []
    for v in np.eye(case.network.n_weights):
        left, right = (
            jachess.gradient(
                replace(case.network, w=case.network.w + k * step * v), case.points[0], case.targets, error=case.error
            )
            for k in (-1, 1)
        )
        rows.append((right - left) / (2 * step))
    close(jachess.hessian(case.network, case.points[0], case.targets, error=case.error), np.stack(rows), 1e-7)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_block_is_a_part_of_the_whole(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES))
    n = case.network.n_weights
    bounds = st.tuples(st.integers(0, n), st.integers(0, n)).map(lambda pair: slice(min(pair), max(pair)))
    rows, columns = data.draw(bounds), data.draw(bounds)
    arguments = (case.network, case.points[0], case.targets)
    whole = jachess.hessian(*arguments, error=case.error)
    block = jachess.hessian(*arguments, error=case.error, rows=rows, columns=columns)
    assert np.abs(block - whole[rows, columns]).max(initial=0) <= 1e-13 * np.abs(whole).max()


@cases
def test_errors_add_up_over_points(case: Case) -> None:
    def of(part: slice) -> Array:
        return jachess.hessian(case.network, case.points[0][part], case.targets[part], error=case.error)

    close(of(slice(0, 9)) + of(slice(9, None)), of(slice(None)), 1e-13)


def test_some_rows_of_the_jacobian() -> None:
    case = CASES[0]
    part = jachess.jacobian(case.network, case.points[0], rows=slice(1, 3), dtype=np.float32)
    assert part.dtype == np.float32
    close(part, jachess.jacobian(case.network, case.points[0])[:, 1:3], 1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_saturated_outputs_stay_finite(scale: float) -> None:
    for case in CASES:
        if case.error != "sum-of-squares":
            large = replace(case.network, w=case.network.w * scale)
            assert np.isfinite(jachess.hessian(large, case.points[0], case.targets, error=case.error)).all()
