"""The checks pass what is right and catch what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import jachess
from jachess.backprop import gradient_sums
from jachess.backprop.differences import DISTURBANCE, NEAR, OFFSETS, STEP, Difference, random_direction
from jachess.backprop.gradient import gradient_at
from jachess.backprop.gradient_difference import difference_of_gradient, weight_sizes
from jachess.backprop.gradient_look import Look
from jachess.backprop.hessian_check import check_gradient, check_hessian_rows
from jachess.backprop.input_hessian import check_input_hessians
from jachess.backprop.jacobian_check import check_jacobian
from jachess.backprop.propagation import Chunks, forward, forward_again
from jachess.backprop.weight_jacobian import check_weight_jacobian
from jachess.network.evaluation import Disturb
from jachess.network.graph import Array
from jachess.network.head import Head, error_head
from jachess.network.paths import descendants
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
@pytest.mark.parametrize("outer_product", [False, True])
@pytest.mark.parametrize("step", [STEP, 3.0])
def test_a_look_at_some_rows_finds_there_what_one_at_all_rows_finds(
    case: Case, outer_product: bool, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit, with disturbances that are the same however many came before, and with many kinks or few."""
    monkeypatch.setattr(gradient_sums, "disturbance", lambda random: alternating)
    head, chunks = head_and_chunks(case)
    head, network, random = replace(head, outer_product=outer_product), head.network, np.random.default_rng(0)
    some, n_excluded = slice(network.n_weights // 2, network.n_weights // 2 + 3), 0
    for moved in [*(weight.slice for weight in network.weights), slice(some.start, network.n_weights)]:
        direction = np.zeros(network.n_weights)
        direction[moved] = weight_sizes(network)[moved] * random.choice((-1, 1), direction[moved].shape)
        whole = difference_of_gradient(head, chunks, direction, random, step)
        part = difference_of_gradient(head, chunks, direction, random, step, some)
        n_excluded += whole.n_excluded
        seen = np.zeros(network.n_weights, bool)
        for weight in network.weights:
            own = np.arange(network.n_weights)[weight.slice]
            seen[own] = direction[own].any() or np.isin(own, np.arange(some.start, some.stop)).any()
        pairs = [(whole.middle, part.middle), (whole.excluded, part.excluded)]
        pairs += [(getattr(whole.gradient, n), getattr(part.gradient, n)) for n in ("value", "spread", "floor")]
        for all_rows, rows in pairs:
            np.testing.assert_array_equal(rows[seen], all_rows[seen])
        assert not part.middle[~seen].any()  # nobody asked
        for name in ("value", "spread", "floor"):
            np.testing.assert_array_equal(getattr(part.error, name), getattr(whole.error, name))
    assert n_excluded or step == STEP or not case.name.startswith("rectified")


def alternating(values: Array) -> Array:
    """Each second element changed one way, the others the other way."""
    signs = np.where(np.arange(values.size) % 2, 1, -1).reshape(values.shape)
    return values * (1 + DISTURBANCE * signs) if values.dtype.kind == "f" else values


@cases
def test_a_state_with_some_weights_moved_is_what_a_whole_pass_makes(case: Case) -> None:
    network, head = case.network, head_and_chunks(case)[0]
    targets = head.targets(case.targets)
    known = forward(head.network, case.points)
    before, of_known = {name: value.copy() for name, value in known.values.items()}, gradient_at(head, known, targets)
    for weight in network.weights:
        w = network.w.copy()
        w[weight.slice] += 0.25
        whole, again = forward(head.network, case.points, w), forward_again(head.network, known, w)
        behind = descendants(head.network, [weight.name])
        for name, value in whole.values.items():
            np.testing.assert_array_equal(again.values[name], value)
        for node, call, first in zip(head.network.nodes, again.calls, known.calls, strict=True):
            assert (call is first) == behind.isdisjoint(node.outputs)
        np.testing.assert_array_equal(gradient_at(head, again, targets), gradient_at(head, whole, targets))
    assert all((known.values[name] == value).all() for name, value in before.items())
    np.testing.assert_array_equal(gradient_at(head, known, targets), of_known)


@cases
def test_differences_are_those_of_whole_passes(case: Case) -> None:
    """Of gradients at all offsets, each of which begins anew."""
    head, chunks = head_and_chunks(case)
    network, targets = head.network, head.targets(case.targets)
    for weight in network.weights:
        direction = np.zeros(network.n_weights)
        direction[weight.slice] = weight_sizes(network)[weight.slice]
        found = difference_of_gradient(head, chunks, direction, np.random.default_rng(0))
        passes = [forward(network, case.points, network.w + k * STEP * direction) for k in OFFSETS]
        wanted = Difference.of([gradient_at(head, state, targets) for state in passes], STEP)
        np.testing.assert_array_equal(found.gradient.value, wanted.value)
        np.testing.assert_array_equal(found.gradient.spread, wanted.spread)


@cases
@pytest.mark.parametrize("step", [STEP, 3.0])
def test_a_difference_takes_the_rounding_of_another_one_for_its_own(
    case: Case, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only points that take smaller steps for their kinks are disturbed."""
    n_disturbed = 0

    def counted(random: np.random.Generator) -> Disturb:
        nonlocal n_disturbed
        n_disturbed += 1
        return alternating

    monkeypatch.setattr(gradient_sums, "disturbance", counted)
    head, chunks = head_and_chunks(case)
    random, size = np.random.default_rng(0), weight_sizes(head.network)
    first = difference_of_gradient(head, chunks, random_direction(size, random), random)
    direction = random_direction(size, random)
    own = difference_of_gradient(head, chunks, direction, random, step / 2)
    n_disturbed = 0
    found = difference_of_gradient(head, chunks, direction, random, step / 2, known=first)
    if step == STEP:
        assert not n_disturbed
    elif case.name.startswith("rectified"):
        assert n_disturbed
    for name in ("gradient", "error"):
        part, alone, other = (getattr(difference, name) for difference in (found, own, first))
        assert np.isnan(part.spread).all()
        assert (part.floor >= other.floor_at(step / 2)).all()
        if step == STEP:
            np.testing.assert_array_equal(part.value, alone.value)
            np.testing.assert_allclose(part.floor, alone.floor, rtol=0.1, atol=0.01 * alone.floor.max())


@cases
def test_a_sparing_look_in_full_is_what_it_would_have_been(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a rule it allows more then, so that what passes without T and R of the second direction passes with them."""
    monkeypatch.setattr(gradient_sums, "disturbance", lambda random: alternating)
    head, chunks = head_and_chunks(case)
    size, rows = weight_sizes(head.network), slice(0, head.network.n_weights)
    full, sparing = (
        Look.at_random(head, chunks, size, np.random.default_rng(1), STEP, rows, spare) for spare in (False, True)
    )
    completed = sparing.in_full(head, chunks, np.random.default_rng(2), rows)
    for allowed, at_once, before in zip(completed.allowed, full.allowed, sparing.allowed, strict=True):
        np.testing.assert_array_equal(allowed, at_once)
        assert np.median(allowed / before) > 0.99


@pytest.mark.parametrize("wrong", [False, True])
def test_a_check_evaluates_no_more_gradients_than_it_needs(wrong: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in CASES if not case.name.startswith("rectified"))
    head, chunks = head_and_chunks(case)
    hessian = jachess.hessian(case.network, case.points[0], case.targets, error=case.error)
    if wrong:
        hessian[1] *= 1 + 1e-3
    n_gradients = 0

    def counted(*arguments: Any) -> Array:
        nonlocal n_gradients
        n_gradients += 1
        return gradient_at(*arguments)

    monkeypatch.setattr(gradient_sums, "gradient_at", counted)
    whole = slice(0, head.network.n_weights)
    residual = check_hessian_rows(head, chunks, hessian, whole, whole, (3,)).residual
    in_full, sparing = len(OFFSETS) + 1, len(NEAR)
    if wrong:  # refused by two looks in full
        assert residual[1] > 1
        assert n_gradients >= 2 * (2 * in_full + sparing) + sparing
    else:
        assert n_gradients == in_full + sparing + sparing


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
