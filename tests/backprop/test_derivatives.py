"""Jacobian, gradient and Hessian of all cases against each other and against differences."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jachess
from jachess.backprop.propagation import outputs
from jachess.errors import InputError
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


@cases
def test_weight_jacobian_against_differences(case: Case) -> None:
    step = 1e-5
    columns = [
        (
            outputs(case.network, case.points, case.network.w + v)
            - outputs(case.network, case.points, case.network.w - v)
        )
        / (2 * step)
        for v in step * np.eye(case.network.n_weights)
    ]
    close(jachess.weight_jacobian(case.network, case.points[0]), np.stack(columns, axis=-1), 1e-7)


@cases
def test_outer_product_form_is_that_of_the_weight_jacobian(case: Case) -> None:
    """Σ_n Jᵀ A J with the Jacobian of what E starts from, by all blocks, and by products with unit vectors."""
    head = error_head(case.network, case.error)
    rows = jachess.weight_jacobian(head.network, case.points[0])
    a, n_outputs = outputs(head.network, case.points), head.network.n_outputs
    identity = np.broadcast_to(np.eye(n_outputs)[:, None], (n_outputs, len(a), n_outputs))
    curvature = head.error.response(a, head.targets(case.targets), identity)
    expected = np.einsum("nki,lnk,nlj->ij", rows, curvature, rows)
    arguments = (case.network, case.points[0], case.targets)
    whole = jachess.hessian(*arguments, error=case.error, outer_product=True)
    close(whole, expected, 1e-13)
    assert (whole == whole.T).all()
    part = jachess.hessian(*arguments, error=case.error, outer_product=True, rows=slice(3, 17))
    close(part, expected[3:17], 1e-13)
    unit_vectors = np.eye(case.network.n_weights)
    products = jachess.hessian_vector_product(*arguments, unit_vectors, error=case.error, outer_product=True)
    close(products, expected, 1e-13)


@cases
def test_input_hessian_against_differences_of_the_jacobian(case: Case) -> None:
    x, step = case.points[0], 1e-5
    columns = [
        (jachess.jacobian(case.network, x + v) - jachess.jacobian(case.network, x - v)) / (2 * step)
        for v in step * np.eye(x.shape[1])
    ]
    found, scale = jachess.input_hessian(case.network, x), np.abs(jachess.jacobian(case.network, x)).max()
    np.testing.assert_allclose(found, np.stack(columns, axis=-1), atol=1e-7 * max(np.abs(found).max(), scale))
    assert (found == found.swapaxes(2, 3)).all()
    np.testing.assert_array_equal(jachess.input_hessian(case.network, x, outputs=[2, 0]), found[:, [2, 0]])


def test_second_derivatives_of_outputs_that_are_not_there_are_refused() -> None:
    for absent in ([], [3], [-1]):
        with pytest.raises(InputError, match="0 to 2"):
            jachess.input_hessian(CASES[0].network, CASES[0].points[0], outputs=absent)


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
def test_a_block_of_two_tensors_is_a_part_of_the_whole(case: Case) -> None:
    """All weights of each, some of biases alone."""
    arguments = case.network, case.points[0][:3], case.targets[:3]
    whole = jachess.hessian(*arguments, error=case.error)
    for down, across in product(case.network.weights, repeat=2):
        part = jachess.hessian(*arguments, error=case.error, rows=down.slice, columns=across.slice)
        np.testing.assert_allclose(part, whole[down.slice, across.slice], rtol=1e-9, atol=1e-13 * np.abs(whole).max())


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
