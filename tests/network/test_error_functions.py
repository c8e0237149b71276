"""Error functions: derivatives against differences, stability at saturation, targets that do not fit."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from jachess import gradient, hessian
from jachess.errors import JobError, PointsError
from jachess.network.error_functions import ERRORS, ErrorFunction
from jachess.network.head import error_head
from tests.networks import (
    Builder,
    clipped_sigmoid,
    part_of_softmax,
    plain,
    sigmoid_output,
    softmax_in_groups,
    softmax_output,
    softmax_spelled_out,
    turned_softmax,
)

RANDOM = np.random.default_rng(5)
A = RANDOM.normal(size=(6, 3))
TARGETS = {
    "sum-of-squares": RANDOM.normal(size=(6, 3)),
    "cross-entropy": RANDOM.dirichlet(np.ones(3), 6),
    "binary-cross-entropy": RANDOM.uniform(size=(6, 3)),
}
errors = pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)


@errors
def test_gradient_and_response_against_differences(error: ErrorFunction) -> None:
    t, v, step = TARGETS[error.name], RANDOM.normal(size=A.shape), 1e-6
    along = (error.value(A + step * v, t) - error.value(A - step * v, t)) / (2 * step)
    np.testing.assert_allclose((error.gradient(A, t) * v).sum(axis=1), along, rtol=1e-8, atol=1e-8)
    turn = (error.gradient(A + step * v, t) - error.gradient(A - step * v, t)) / (2 * step)
    np.testing.assert_allclose(error.response(A, t, v), turn, rtol=1e-8, atol=1e-8)
    rows = RANDOM.normal(size=(4, *A.shape))
    np.testing.assert_allclose(error.response(A, t, rows), [error.response(A, t, row) for row in rows], rtol=1e-15)


@pytest.mark.parametrize(
    ("name", "unit"), [("cross-entropy", softmax_output), ("binary-cross-entropy", sigmoid_output)]
)
def test_output_units_are_taken_over_where_they_saturate(name: str, unit: object) -> None:
    """With 1,000 times the last layer's weights y is 0 or 1 to the last digit, and E would be log 0."""
    derivatives = []
    for build in (plain, unit):
        builder = Builder(1)
        network = builder.network(build(builder), 3)  # type: ignore[operator]
        network.w.setflags(write=True)
        network.w[36:] *= 1000
        t = TARGETS[name].repeat(4, axis=0)
        x = np.random.default_rng(2).normal(size=(24, 5))
        derivatives.append((gradient(network, x, t, error=name), hessian(network, x, t, error=name)))
    for logits, probabilities in zip(*derivatives, strict=True):
        assert np.isfinite(logits).all()
        np.testing.assert_array_equal(logits, probabilities)


def test_class_numbers_are_rows_of_the_identity() -> None:
    record = ERRORS["cross-entropy"]
    np.testing.assert_array_equal(record.prepare_targets(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(record.prepare_targets(np.array([[2.0], [0.0]]), 3), [[0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize(
    ("name", "targets", "message"),
    [
        ("cross-entropy", np.array([0, 3]), "must lie in 0 to 2"),
        ("cross-entropy", np.array([0, -1]), "must lie in 0 to 2"),
        ("cross-entropy", np.array([0.5, 1]), "whole numbers"),
        ("cross-entropy", np.array([np.nan, 1]), "whole numbers"),
        ("cross-entropy", np.array([[0.5, 0.5, 0.5]]), "must add up to 1"),
        ("cross-entropy", np.array([[1.5, -0.5, 0]]), r"must lie in \[0, 1\]"),
        ("cross-entropy", np.array([[1.0, 0]]), "needs 3 targets"),
        ("binary-cross-entropy", np.array([[0, 1, 2]]), r"must lie in \[0, 1\]"),
        ("sum-of-squares", np.array([[0, 1, np.inf]]), "must be finite"),
        ("sum-of-squares", np.array([0.0, 1.0]), "needs 3 targets"),
        ("sum-of-squares", np.array([["a", "b", "c"]]), "must be numbers"),
    ],
)
def test_targets_that_do_not_fit(name: str, targets: np.ndarray, message: str) -> None:
    with pytest.raises(PointsError, match=message):
        ERRORS[name].prepare_targets(targets, 3)


@pytest.mark.parametrize(
    ("build", "name", "message"),
    [
        (softmax_output, "binary-cross-entropy", "ends in Softmax.*Use cross-entropy"),
        (sigmoid_output, "cross-entropy", "ends in Sigmoid.*Use binary-cross-entropy"),
        (turned_softmax, "cross-entropy", "in another order, and cross-entropy would read"),
        (part_of_softmax, "cross-entropy", "some Softmax units"),
        (softmax_in_groups, "cross-entropy", "several groups"),
        (softmax_spelled_out, "cross-entropy", "does not end in Softmax.*would read them as logits"),
        (softmax_spelled_out, "binary-cross-entropy", "are probabilities"),
        (clipped_sigmoid, "binary-cross-entropy", "Sigmoid units.*would read them as pre-activations"),
        (softmax_output, "binary-cross-entropy", "ends in Softmax"),
        (plain, "mean-squares", "wanted one of sum-of-squares"),
    ],
)
def test_error_functions_that_do_not_go_with_the_outputs(build: object, name: str, message: str) -> None:
    builder = Builder(1)
    with pytest.raises(JobError, match=message):
        error_head(builder.network(build(builder), 3), name)  # type: ignore[operator]


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3)])
def test_binary_outputs_of_any_shape(shape: tuple[int, ...]) -> None:
    """Each output is a question of its own, so that it does not matter how they lie."""
    builder = Builder(1)
    sizes = builder.constant("sizes", np.array([-1, *shape]))
    network = builder.network(builder.apply("Reshape", sigmoid_output(builder), sizes), *shape)
    plainly = Builder(1)
    x, t = RANDOM.normal(size=(6, 5)), TARGETS["binary-cross-entropy"]
    wanted = hessian(plainly.network(sigmoid_output(plainly), 3), x, t, error="binary-cross-entropy")
    found = hessian(network, x, t.reshape(6, *shape), error="binary-cross-entropy")
    np.testing.assert_allclose(found, wanted, rtol=1e-14, atol=1e-16)


@errors
def test_records_travel_by_name(error: ErrorFunction) -> None:
    assert pickle.loads(pickle.dumps(error)) is error
