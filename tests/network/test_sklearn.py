"""Estimators of scikit-learn: outputs are what they predict, derivatives those of their own predictions."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jachess
from jachess.backprop.propagation import outputs
from jachess.errors import NetworkError
from jachess.network.graph import Array, Network

pytest.importorskip("sklearn")
from sklearn import decomposition, ensemble, linear_model, preprocessing
from sklearn.base import BaseEstimator
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline

X = np.random.default_rng(0).normal(size=(120, 4))
VALUES = np.stack([X[:, 0] ** 2 + X[:, 1], X[:, 2] * X[:, 3], X[:, 3]], 1)
TARGETS: dict[str, Array] = {
    "value": VALUES[:, 0],
    "values": VALUES,
    "two": VALUES[:, 0] > 1,
    "three": VALUES.argmax(1),
    "labels": (VALUES > 0).astype(int),
}
POINTS = X[:9]


def perceptron(kind: type, activation: str = "tanh") -> Any:
    return kind(hidden_layer_sizes=(5, 3), activation=activation, max_iter=30, random_state=0)


CASES: dict[str, tuple[Any, str]] = {
    "perceptron, a value": (perceptron(MLPRegressor), "value"),
    "perceptron, values": (perceptron(MLPRegressor, "logistic"), "values"),
    "perceptron, two classes": (perceptron(MLPClassifier), "two"),
    "perceptron, three classes": (perceptron(MLPClassifier, "logistic"), "three"),
    "perceptron, labels": (perceptron(MLPClassifier), "labels"),
    "perceptron without hidden units' nonlinearity": (perceptron(MLPRegressor, "identity"), "values"),
    "linear": (linear_model.LinearRegression(), "value"),
    "linear, values": (linear_model.LinearRegression(), "values"),
    "ridge, no intercept": (linear_model.Ridge(fit_intercept=False), "values"),
    "logistic, two classes": (linear_model.LogisticRegression(), "two"),
    "logistic, three classes": (linear_model.LogisticRegression(), "three"),
    "standardised": (make_pipeline(preprocessing.StandardScaler(), perceptron(MLPClassifier)), "three"),
    "only centred": (make_pipeline(preprocessing.StandardScaler(with_std=False), linear_model.Ridge()), "value"),
    "to unit range": (make_pipeline(preprocessing.MinMaxScaler((-1, 2)), perceptron(MLPRegressor)), "values"),
    "clipped": (make_pipeline(preprocessing.MinMaxScaler(clip=True), perceptron(MLPRegressor)), "values"),
    "to one, robust": (make_pipeline(preprocessing.MaxAbsScaler(), make_pipeline(preprocessing.RobustScaler(),
                                     linear_model.LogisticRegression())), "three"),
    "of length one": (make_pipeline(preprocessing.Normalizer(), "passthrough", perceptron(MLPRegressor)), "value"),
    "principal components": (make_pipeline(decomposition.PCA(3, whiten=True), perceptron(MLPClassifier)), "two"),
}  # fmt: skip


def fitted(name: str) -> Any:
    estimator, target = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return copy.deepcopy(estimator).fit(X, TARGETS[target])


def predicted(estimator: Any, x: Array) -> Array:
    found = estimator.predict_proba(x) if hasattr(estimator, "predict_proba") else estimator.predict(x)
    return np.asarray(found, np.float64).reshape(len(x), -1)


def with_weights(estimator: Any, net: Network, w: Array) -> Any:
    """The estimator with other weights: what it predicts as a function of them."""
    made = copy.deepcopy(estimator)
    last = made
    while hasattr(last, "steps"):
        last = last.steps[-1][1]
    for weight in net.weights:
        attribute, _, number = weight.name.partition("[")
        value = w[weight.slice].reshape(weight.shape)
        if number:
            getattr(last, attribute)[int(number[:-1])] = value
        else:
            setattr(last, attribute, value.reshape(np.shape(getattr(last, attribute))))
    return made


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_those_of_what_the_estimator_predicts(name: str) -> None:
    estimator = fitted(name)
    net = jachess.from_sklearn(estimator)
    y = predicted(estimator, POINTS)
    np.testing.assert_allclose(outputs(net, (POINTS,)), y, rtol=1e-12, atol=1e-14)
    for i in range(3):
        claim = jachess.jacobian(net, POINTS[i : i + 1])[0]
        verdict = jachess.check_jacobian(lambda x: predicted(estimator, x[None])[0], POINTS[i], claim)
        assert verdict.passed, str(verdict)
    targets = np.random.default_rng(1).uniform(size=y.shape)
    gradient = jachess.gradient(net, POINTS, targets, error="sum-of-squares")

    def error(w: Array) -> float:
        return float(0.5 * ((predicted(with_weights(estimator, net, w), POINTS) - targets) ** 2).sum())

    def slope(w: Array) -> Array:
        moved = jachess.from_sklearn(with_weights(estimator, net, w))
        return jachess.gradient(moved, POINTS, targets, error="sum-of-squares")

    verdict = jachess.check_jacobian(lambda w: np.array([error(w)]), net.w, gradient[None])
    assert verdict.passed, str(verdict)
    hessian = jachess.hessian(net, POINTS, targets, error="sum-of-squares")
    verdict = jachess.check_jacobian(slope, net.w, hessian)
    assert verdict.passed, str(verdict)


NOT_ALIKE = {"ridge, no intercept", "of length one", "logistic, two classes"}
"""skl2onnx refuses the first two, and writes the third with twice the weights."""


@pytest.mark.parametrize("name", sorted(set(CASES) - NOT_ALIKE))
def test_derivatives_are_those_of_the_export(name: str, tmp_path: Path) -> None:
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import DoubleTensorType

    estimator = fitted(name)
    made = skl2onnx.to_onnx(estimator, initial_types=[("X", DoubleTensorType([None, 4]))])
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    net = jachess.from_sklearn(estimator)
    exported = jachess.read_network(tmp_path / "model.onnx", weights=lambda _, array: bool(np.isin(array, net.w).all()))
    for quantity in derivatives(net, exported):
        np.testing.assert_allclose(*quantity, rtol=1e-9, atol=1e-12)


def derivatives(net: Network, exported: Network) -> list[tuple[Array, Array]]:
    """Of both, in the order of the first one's weights, which are told by their values."""
    places = np.argsort(exported.w)[np.argsort(np.argsort(net.w))]
    targets = np.random.default_rng(1).uniform(size=(len(POINTS), net.n_outputs))
    one, other = (
        (
            outputs(n, (POINTS,)),
            jachess.jacobian(n, POINTS),
            jachess.gradient(n, POINTS, targets, error="sum-of-squares"),
            jachess.hessian(n, POINTS, targets, error="sum-of-squares"),
        )
        for n in (net, exported)
    )
    ordered = (other[0], other[1], other[2][places], other[3][np.ix_(places, places)])
    return list(zip(one, ordered, strict=True))


def test_names_and_layouts_are_the_estimators() -> None:
    net = jachess.from_sklearn(fitted("standardised"))
    assert [(weight.name, weight.shape) for weight in net.weights] == [
        ("coefs_[0]", (4, 5)), ("intercepts_[0]", (5,)), ("coefs_[1]", (5, 3)), ("intercepts_[1]", (3,)),
        ("coefs_[2]", (3, 3)), ("intercepts_[2]", (3,))]  # fmt: skip


@pytest.mark.parametrize("name", ["perceptron, two classes", "logistic, two classes", "logistic, three classes"])
def test_classifiers_go_with_cross_entropy(name: str) -> None:
    net, targets = jachess.from_sklearn(fitted(name)), TARGETS[CASES[name][1]].astype(int)[:9]
    assert jachess.hessian(net, POINTS, targets, error="cross-entropy").shape == (net.n_weights,) * 2


class Mine(MLPRegressor):
    """What derives from an estimator may predict something else."""


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "not fitted": (lambda: MLPRegressor(), "Fit it first"),
    "a pipeline that is not fitted": (lambda: make_pipeline(preprocessing.StandardScaler(), MLPRegressor()), "Fit it"),
    "a forest": (lambda: ensemble.RandomForestRegressor(), "cannot be read as a network"),
    "a derived class": (lambda: Mine(max_iter=5), "Mine: cannot be read"),
    "no estimator": (lambda: 3, "int: cannot be read"),
    "another step": (lambda: make_pipeline(preprocessing.PolynomialFeatures(), linear_model.Ridge()).fit(X, VALUES),
                     "PolynomialFeatures: is no step"),
    "only scalers": (lambda: make_pipeline(preprocessing.StandardScaler()), "cannot be read as a network"),
    "a bare estimator": (BaseEstimator, "cannot be read as a network"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_what_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        jachess.from_sklearn(make())
