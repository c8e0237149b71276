"""The checks pass what is right and catch what is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import jachess
from jachess.backprop.hessian_check import check_gradient, check_hessian_rows
from jachess.backprop.input_hessian import check_input_hessians
from jachess.backprop.jacobian_check import check_jacobian
from jachess.backprop.propagation import Chunks
from jachess.backprop.weight_jacobian import check_weight_jacobian
from jachess.network.head import Head, error_head
from tests.networks import CASES, Case

cases = pytest.mark.parametrize("case", CASES, ids=str)
scales = pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])


def head_and_chunks(case: Case) -> tuple[Head, Chunks]:
    head = error_head(case.network, case.error)
    return head, [(case.points, head.targets(case.targets))].copy


@cases
def test_right_jacobians_pass(case: Case) -> None:
    check = check_jacobian(case.network, case.points, jachess.jacobian(case.network, case.points[0]), (0,))
    assert (check.residual < 1).all()
    assert (check.samples[:, 5] < 1).all()
    np.testing.assert_allclose(check.samples[:, 3], check.samples[:, 4], rtol=1e-4, atol=1e-9)


@cases
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("outer_product", [False, True])
def test_right_hessian_rows_pass(case: Case, dtype: type, outer_product: bool) -> None:
    head, chunks = head_and_chunks(case)
    head = replace(head, outer_product=outer_product)
    arguments = (case.network, case.points[0], case.targets)
    hessian = jachess.hessian(*arguments, error=case.error, outer_product=outer_product).astype(dtype)
    rows, columns = slice(7, 20), slice(7, case.network.n_weights)
    check = check_hessian_rows(head, chunks, hessian[rows, columns], rows, columns, (1,))
    assert (check.residual < 1).all()
    assert (check.samples[:, 4] < 1).all()


@cases
def test_right_gradients_pass(case: Case) -> None:
    head, chunks = head_and_chunks(case)
    right = jachess.gradient(case.network, case.points[0], case.targets, error=case.error)
    assert (check_gradient(head, chunks, right, (2,)) < 1).all()
    wrong = right.copy()
    wrong[np.abs(right).argmax()] *= 1 + 1e-4
    assert (check_gradient(head, chunks, wrong, (2,)) > 1).all()


@cases
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_right_derivatives_of_outputs_pass(case: Case, dtype: type) -> None:
    by_weights = jachess.weight_jacobian(case.network, case.points[0]).astype(dtype)
    assert (check_weight_jacobian(case.network, case.points, by_weights, (8,)) < 1).all()
    twice = jachess.input_hessian(case.network, case.points[0], outputs=[2, 0]).astype(dtype)
    assert (check_input_hessians(case.network, case.points, twice, [2, 0], (9,)) < 1).all()


@cases
def test_one_wrong_derivative_of_outputs_fails_its_row_alone(case: Case) -> None:
    by_weights = jachess.weight_jacobian(case.network, case.points[0])
    by_weights[4, 1, 3] += 1e-5 * np.linalg.norm(by_weights[4, 1])
    twice = jachess.input_hessian(case.network, case.points[0], outputs=[2, 0])
    twice[4, 1, 3, 2] += 1e-4 * np.linalg.norm(jachess.jacobian(case.network, case.points[0])[4, 0])
    found = [
        check_weight_jacobian(case.network, case.points, by_weights, (8,)),
        check_input_hessians(case.network, case.points, twice, [2, 0], (9,)),
    ]
    for residual, row in zip(found, ((4, 1), (4, 1, 3)), strict=True):
        assert residual[row] > 1
        assert (residual > 1).sum() == 1


@cases
@pytest.mark.parametrize("outer_product", [False, True])
def test_one_wrong_element_fails_its_row_alone(case: Case, outer_product: bool) -> None:
    head, chunks = head_and_chunks(case)
    head, arguments = replace(head, outer_product=outer_product), (case.network, case.points[0], case.targets)
    hessian = jachess.hessian(*arguments, error=case.error, outer_product=outer_product)
    whole = slice(0, case.network.n_weights)
    row = int(np.linalg.norm(hessian, axis=1).argmax())
    hessian[row, case.network.n_weights // 3] += 1e-6 * np.linalg.norm(hessian[row])
    residual = check_hessian_rows(head, chunks, hessian, whole, whole, (3,)).residual
    assert residual[row] > 1
    assert (np.delete(residual, row) < 1).all()

    jacobian = jachess.jacobian(case.network, case.points[0])
    jacobian[4, 1, 2] += 1e-5 * np.linalg.norm(jacobian[4, 1])
    residual = check_jacobian(case.network, case.points, jacobian, (4,)).residual
    assert residual[4, 1] > 1
    assert (residual > 1).sum() == 1


@scales
def test_scaled_inputs_raise_no_alarm(scale: float) -> None:
    for case in CASES[:4]:
        points = (case.points[0] * scale,)
        jacobian = jachess.jacobian(case.network, points[0])
        assert (check_jacobian(case.network, points, jacobian, (5,)).residual < 1).all()


def test_a_derivative_that_is_not_finite_fails() -> None:
    case = CASES[0]
    jacobian = jachess.jacobian(case.network, case.points[0])
    jacobian[0, 0, 0] = np.nan
    assert check_jacobian(case.network, case.points, jacobian, (6,)).residual[0, 0] == np.inf


def test_points_on_a_kink_have_no_verdict() -> None:
    case = next(c for c in CASES if c.name.startswith("rectified"))
    bias = next(w for w in case.network.weights if w.name == "hidden.bias")
    case.network.w.setflags(write=True)
    w = case.network.w.copy()
    w[bias.slice] = 0
    network = case.network.__class__(**{**case.network.__dict__, "w": w})
    points = case.points[0].copy()
    points[3] = 0  # every pre-activation of this point is exactly on its kink
    residual = check_jacobian(network, (points,), jachess.jacobian(network, points), (7,)).residual
    assert np.isnan(residual[3]).all()
    assert (np.delete(residual, 3, axis=0) < 1).all()
