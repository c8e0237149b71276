"""Checks of any function: what is right passes, what is wrong fails and is named, what cannot be seen is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jachess import InputError, check_hessian, check_jacobian
from tests.checks.functions import KNOWN, Array, Known, sigmoid

known = pytest.mark.parametrize("case", KNOWN, ids=str)


@known
def test_right_jacobians_pass(case: Known) -> None:
    finding = check_jacobian(case.f, case.x, case.jacobian(case.x)).findings["jacobian"]
    assert finding.passed
    assert finding.unverified == 0
    assert finding.numbers["smallest_visible_error"] < 1e-9


@known
@pytest.mark.parametrize("hidden", [False, True])
def test_right_jacobians_of_float32_functions_do_not_fail(case: Known, hidden: bool) -> None:
    f, x = case.in_float32()
    jacobian = case.jacobian(x.astype(np.float64))
    if hidden:
        verdict = check_jacobian(lambda z: f(z).astype(np.float64), x.astype(np.float64), jacobian)
    else:
        verdict = check_jacobian(f, x, jacobian.astype(np.float32))
    assert not verdict.failed
    assert verdict.passed or case.name.startswith("rectified")


@known
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_element_off_by_a_hundredth_is_named(case: Known, dtype: type) -> None:
    f, x = (case.f, case.x) if dtype is np.float64 else case.in_float32()
    wrong = case.jacobian(x.astype(np.float64)).copy()
    place = np.unravel_index(np.abs(wrong).argmax(), wrong.shape)
    wrong[place] *= 1.01
    verdict = check_jacobian(f, x, wrong)
    assert verdict.failed
    assert verdict.findings["jacobian"].failed == 1
    (element,) = verdict.findings["jacobian"].elements
    assert element.index == tuple(place)
    assert element.numerical == pytest.approx(wrong[place] / 1.01, rel=3e-3)


FAULTS: dict[str, Any] = {
    "factor": lambda j: 2 * j,
    "sign": lambda j: -j,
    "zeros": lambda j: 0 * j,
    "two elements exchanged": lambda j: j[:, [1, 0, *range(2, j.shape[1])]],
    "rows exchanged": lambda j: j[::-1],
    "rounded to float16": lambda j: j.astype(np.float16).astype(np.float64),
    "not a number": lambda j: np.where(j == j.max(), np.nan, j),
    "infinite": lambda j: np.where(j == j.max(), np.inf, j),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", range(3))
def test_faults_fail(fault: str, seed: int) -> None:
    for case in KNOWN[:7]:
        assert check_jacobian(case.f, case.x, FAULTS[fault](case.jacobian(case.x)), seed=seed).failed


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.sampled_from(["tanh", "sin", "exp", "square", "log1p", "reciprocal"]),
    st.integers(-6, 6),
)
@settings(max_examples=60, deadline=None)
def test_random_smooth_functions(seed: int, n_inputs: int, name: str, power: int) -> None:
    """Right derivatives never fail; one element of the larger half changed by 1 % always does."""
    random, scale = np.random.default_rng(seed), 10.0**power
    first, second = random.normal(size=(9, n_inputs)) / n_inputs**0.5, random.normal(size=(3, 9))
    x, (h, slope) = scale * random.normal(size=n_inputs), ACTIVATIONS[name]
    jacobian = second @ (slope(first @ (x / scale))[:, None] * first) / scale

    def f(x: Array) -> Array:
        return second @ h(first @ (x / scale))

    assert check_jacobian(f, x, jacobian, seed=seed).passed
    k, i = np.argwhere(np.abs(jacobian) >= np.median(np.abs(jacobian)))[0]
    jacobian[k, i] *= 1.01
    verdict = check_jacobian(f, x, jacobian, seed=seed)
    assert [element.index for element in verdict.findings["jacobian"].elements] == [(k, i)]


ACTIVATIONS: dict[str, Any] = {
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "square": (np.square, lambda a: 2 * a),
    "log1p": (lambda a: np.log1p(a**2), lambda a: 2 * a / (1 + a**2)),
    "reciprocal": (lambda a: 1 / (1 + a**2), lambda a: -2 * a / (1 + a**2) ** 2),
}


# functions that are not smooth at the point, or not smooth at all, and what is said of a row of them


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


ROUGH = [
    (relu, [0.0, 1.0], [0.0, 1.0], "kink"),
    (relu, [0.0, 1.0], [1.0, 1.0], "kink"),
    (np.abs, [1.0, 0.0], [1.0, 0.0], "kink"),
    (np.floor, [0.5, 2.0], [0.0, 0.0], "kink"),
    (lambda x: np.sqrt(np.abs(x)), [0.0, 1.0], [0.0, 0.5], "kink"),
    (lambda x: 1e17 + x, [1.0, 2.0], [1.0, 1.0], "rounding"),
    (sigmoid, [0.3, 50.0], [sigmoid(0.3) * sigmoid(-0.3), np.exp(-50)], "rounding"),
    (lambda x: x + 0.1 * np.random.default_rng(int(x.sum() * 1e15) % 2**32).normal(size=2), [1.0, 2.0], [1, 1], ""),
]


@pytest.mark.parametrize(("f", "x", "slopes", "reason"), ROUGH)
def test_what_cannot_be_seen_has_no_verdict(f: Any, x: list[float], slopes: list[float], reason: str) -> None:
    verdict = check_jacobian(f, np.array(x), np.diag(slopes))
    finding = verdict.findings["jacobian"]
    assert not verdict.passed
    assert not verdict.failed
    assert finding.unverified >= 1
    assert reason in verdict.sentence()


@pytest.mark.parametrize("distance", [1e-12, 1e-9, 1e-6, 1e-3, -1e-3, -1e-6])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_kinks_beside_the_point_do_no_harm(distance: float, dtype: type) -> None:
    x, right = np.array([distance, 1.0, -1.0], dtype), np.diag([float(distance > 0), 1.0, 0.0])
    assert check_jacobian(relu, x, right).passed
    right[0, 0] += 0.01
    assert check_jacobian(relu, x, right).failed


SCALES = [
    ("sine of a large number", np.sin, [1e6, 2e6], lambda x: np.diag(np.cos(x)), {}),
    ("inputs of three kinds", lambda x: np.tanh(x[0] / 1e6) + np.sin(x[1] * 1e6) + x[2] ** 2, [1e6, 2e-6, 3.3],
     lambda x: np.array([1e-6 / np.cosh(x[0] / 1e6) ** 2, 1e6 * np.cos(x[1] * 1e6), 2 * x[2]]), {}),
    ("a pole nearby", np.log, [1e-12, 5.0], lambda x: np.diag(1 / x), {}),
    ("the origin", lambda x: np.sin(1e6 * x), [0.0, 0.0], lambda x: 1e6 * np.eye(2), {"scale": 1e-6}),
    ("zero slope", np.square, [0.0, 0.0], lambda x: np.zeros((2, 2)), {}),
    ("a constant", lambda x: np.ones(2), [1.0, 2.0], lambda x: np.zeros((2, 2)), {}),
]  # fmt: skip


@pytest.mark.parametrize(("f", "x", "jacobian", "options"), [s[1:] for s in SCALES], ids=[s[0] for s in SCALES])
def test_scales(f: Any, x: list[float], jacobian: Any, options: dict[str, Any]) -> None:
    point = np.array(x)
    right = jacobian(point)
    assert check_jacobian(f, point, right, **options).passed
    assert check_jacobian(f, point, right + 0.1 * (np.abs(right).max() or 1), **options).failed


# complex steps


def test_complex_steps_see_what_vanishes_beside_the_values() -> None:
    x = np.array([0.3, 50.0, -50.0])
    right = np.diag(sigmoid(x) * sigmoid(-x))
    assert check_jacobian(sigmoid, x, right, complex_step=True).passed
    verdict = check_jacobian(sigmoid, x, right * [1, 1.01, 1], complex_step=True)
    assert [element.index for element in verdict.findings["jacobian"].elements] == [(1, 1)]


def test_complex_steps_through_what_is_not_analytic() -> None:
    verdict = check_jacobian(lambda x: x * x.real, np.array([1.0, 2.0]), np.diag([2.0, 4.0]), complex_step=True)
    assert "not analytic" in verdict.sentence()
    with pytest.raises(InputError, match="complex numbers"):
        check_jacobian(np.abs, np.array([1.0, 2.0]), np.eye(2), complex_step=True)


# Hessians

MATRIX = np.random.default_rng(3).normal(size=(9, 6))
WEIGHTS = np.random.default_rng(4).normal(size=6)


def error(w: Array) -> Array:
    return np.asarray(np.log(np.cosh(MATRIX @ w)).sum())


def slope(w: Array) -> Array:
    return MATRIX.T @ np.tanh(MATRIX @ w)


def hessian(w: Array) -> Array:
    return MATRIX.T @ ((1 - np.tanh(MATRIX @ w) ** 2)[:, None] * MATRIX)


WAYS = [{}, {"gradient": slope}, {"complex_step": True}, {"gradient": slope, "complex_step": True}]
ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: " ".join(way) or "second differences")


@ways
def test_right_hessians_pass(way: dict[str, Any]) -> None:
    verdict = check_hessian(error, WEIGHTS, hessian(WEIGHTS), **way)
    assert verdict.passed
    visible = verdict.findings["hessian"].numbers["smallest_visible_error"]
    assert visible < (1e-8 if way else 1e-5)


@ways
@pytest.mark.parametrize(("i", "j"), [(2, 2), (1, 4), (4, 1)])
def test_one_wrong_element_of_a_hessian_is_named(way: dict[str, Any], i: int, j: int) -> None:
    wrong = hessian(WEIGHTS)
    wrong[i, j] *= 1.01
    verdict = check_hessian(error, WEIGHTS, wrong, **way)
    assert [element.index for element in verdict.findings["hessian"].elements] == [(i, j)]


def test_a_gradient_of_another_function_is_noticed() -> None:
    verdict = check_hessian(error, WEIGHTS, 2 * hessian(WEIGHTS), gradient=lambda w: 2 * slope(w))
    assert verdict.findings["hessian"].passed
    assert verdict.findings["gradient"].failed == 1
    assert verdict.failed


@ways
def test_hessians_as_products(way: dict[str, Any]) -> None:
    right, w = hessian(WEIGHTS).reshape(2, 3, 2, 3), WEIGHTS.reshape(2, 3)
    flat = {k: (lambda w: slope(w.ravel()).reshape(2, 3)) if k == "gradient" else v for k, v in way.items()}

    def f(w: Array) -> Array:
        return error(w.ravel())

    assert check_hessian(f, w, right, **flat).passed
    assert check_hessian(f, w, lambda v: np.einsum("ijkl,kl", right, v), **flat).passed
    wrong = check_hessian(f, w, lambda v: np.einsum("ijkl,kl", right, v) * [[1, 1, 1], [1, 1.01, 1]], **flat)
    assert wrong.failed
    assert all(e.index[:2] == (1, 1) for e in wrong.findings["hessian"].elements)


# what is given


def test_shapes_and_products() -> None:
    x = np.random.default_rng(5).normal(size=(3, 2))
    dense = np.einsum("ik,jl->ijkl", np.eye(3), np.eye(2)) * np.cos(x)[:, :, None, None]
    for claim in (dense, dense.reshape(6, 6), lambda v: np.cos(x) * v):
        assert check_jacobian(np.sin, x, claim).passed
    assert check_jacobian(lambda x: x**2, 3.0, 6.0).passed
    wrong = check_jacobian(np.sin, x, lambda v: np.cos(x) * v + 1e-3 * v[::-1])
    assert wrong.findings["jacobian"].failed == 6


def test_functions_that_spoil_their_argument_or_use_their_result_again() -> None:
    result = np.zeros(2)

    def f(x: Array) -> Array:
        x *= x
        result[:] = x
        return result

    x = np.array([1.0, 2.0])
    assert check_jacobian(f, x, np.diag(2 * x)).passed
    assert x.tolist() == [1, 2]


def test_the_same_seed_gives_the_same_check() -> None:
    case = KNOWN[4]
    first, second, other = (check_jacobian(case.f, case.x, case.jacobian(case.x), seed=s) for s in (1, 1, 2))
    assert first == second
    assert first != other


def test_the_cost_is_bounded() -> None:
    n_calls, matrix = 0, np.random.default_rng(6).normal(size=(2, 500))

    def f(x: Array) -> Array:
        nonlocal n_calls
        n_calls += 1
        return np.float32(np.tanh(matrix @ x / 20))

    x = np.random.default_rng(7).normal(size=500)
    verdict = check_jacobian(f, x, np.zeros((2, 500)))
    assert verdict.findings["jacobian"].numbers["evaluations"] == n_calls <= 5000


REFUSED: list[tuple[str, Any]] = [
    ("x: wanted an array of finite", lambda: check_jacobian(np.sin, [np.nan], np.eye(1))),
    ("x: wanted an array of finite", lambda: check_jacobian(np.sin, ["a"], np.eye(1))),
    ("f: wanted an array of finite", lambda: check_jacobian(np.log, [-1.0], np.eye(1))),
    ("J: does not fit", lambda: check_jacobian(np.sin, [1.0, 2.0], np.eye(3))),
    ("J: does not fit", lambda: check_jacobian(np.sin, [1.0, 2.0], 1j * np.eye(2))),
    ("J: its products do not fit", lambda: check_jacobian(np.sin, [1.0, 2.0], lambda v: v[:1])),
    ("scale: wanted positive", lambda: check_jacobian(np.sin, [1.0, 2.0], np.eye(2), scale=[1, 0])),
    ("scale: wanted positive", lambda: check_jacobian(np.sin, [1.0, 2.0], np.eye(2), scale=[1, 2, 3])),
    ("directions: wanted one", lambda: check_jacobian(np.sin, [1.0], np.eye(1), directions=0)),
    ("change their shape", lambda: check_jacobian(lambda x: x[x > 1], [1.5, 0.5], np.eye(1, 2))),
    ("that of one number", lambda: check_hessian(np.sin, [1.0, 2.0], np.eye(2))),
    ("gradient: does not fit", lambda: check_hessian(error, WEIGHTS, np.eye(6), gradient=lambda w: w[:2])),
    ("H: does not fit", lambda: check_hessian(error, WEIGHTS, np.eye(5))),
]


@pytest.mark.parametrize(("message", "call"), REFUSED, ids=[message for message, _ in REFUSED])
def test_bad_input_is_refused(message: str, call: Any) -> None:
    with pytest.raises(InputError, match=message):
        call()
