"""Estimators of scikit-learn, read straight from what fitting has left in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array, Input, Network
from jachess.network.sources.activations import activate
from jachess.network.sources.draft import Draft


def from_sklearn(estimator: Any) -> Network:
    """The network that a fitted estimator of scikit-learn is, alone or at the end of a pipeline of scalers.

    Parameters
    ----------
    estimator : fitted estimator
        MLPClassifier or MLPRegressor; LogisticRegression; LinearRegression, Ridge and other linear regressors; or a
        Pipeline of StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, Normalizer or PCA with one of these.

    Returns
    -------
    Network
        Its outputs are those of `predict_proba` for a classifier (of two classes: both probabilities; of several
        labels: one of each), else those of `predict` (N, K). Its weights are ``coefs_[0]``, ``intercepts_[0]``, … in
        the layout and order of the estimator; what scalers subtract or divide by are constants.

    Raises
    ------
    NetworkError
        If it is not fitted, or of another kind.
    """
    steps = [estimator]
    while (place := next((i for i, step in enumerate(steps) if _kind(step) == "Pipeline"), None)) is not None:
        steps[place : place + 1] = [step for _, step in steps[place].steps]
    *before, last = [step for step in steps if step is not None and step != "passthrough"] or [None]
    if _kind(last) not in PREDICTORS:
        raise NetworkError(f"{_described(last)}: cannot be read as a network (wanted {', '.join(PREDICTORS)}).")
    try:
        tensors, write = PREDICTORS[_kind(last)](last)
        n_inputs = int([*before, last][0].n_features_in_)
        draft = Draft(tensors, [Input("x", (n_inputs,))])
        value = "x"
        for step in before:
            if _kind(step) not in SCALERS:
                raise NetworkError(f"{_described(step)}: is no step that can be read (wanted {', '.join(SCALERS)}).")
            value = SCALERS[_kind(step)](draft, value, step)
        return draft.network([write(draft, value)])
    except AttributeError as error:
        raise NetworkError(f"{_described(estimator)}: {error}. Fit it first.") from error


def _kind(step: Any) -> str:
    """The name of a class of scikit-learn; what others derive from it may do something else."""
    return type(step).__name__ if type(step).__module__.startswith("sklearn.") else ""


def _described(step: Any) -> str:
    return f"{type(step).__module__}.{type(step).__name__}"


Write = Callable[[Draft, str], str]
"""Writes a predictor into a draft that has its tensors."""
Predictor = tuple[dict[str, Array], Write]


def _perceptron(net: Any) -> Predictor:
    tensors: dict[str, Array] = {}
    for number, (kernel, bias) in enumerate(zip(net.coefs_, net.intercepts_, strict=True)):
        tensors |= {f"coefs_[{number}]": kernel, f"intercepts_[{number}]": bias}

    def write(draft: Draft, value: str) -> str:
        for number in range(len(net.coefs_)):
            value = activate(draft, value, net.activation) if number else value
            names = (draft.weight(f"coefs_[{number}]"), draft.weight(f"intercepts_[{number}]"))
            value = draft.apply("Gemm", value, *names)
        value = activate(draft, value, net.out_activation_)
        labels = getattr(getattr(net, "_label_binarizer", None), "y_type_", "")
        return _both(draft, value) if labels == "binary" else value

    return tensors, write


def _linear(model: Any) -> Predictor:
    tensors = {"coef_": np.atleast_2d(model.coef_)}
    if np.ndim(model.intercept_) or model.fit_intercept:
        tensors["intercept_"] = np.atleast_1d(model.intercept_)

    def write(draft: Draft, value: str) -> str:
        return draft.apply("Gemm", value, *map(draft.weight, tensors), transB=1)

    return tensors, write


def _logistic(model: Any) -> Predictor:
    tensors, pre_activation = _linear(model)
    several, asked = len(model.classes_) > 2, getattr(model, "multi_class", "")
    if asked == ("ovr" if several else "multinomial") or (several and model.solver == "liblinear"):
        raise NetworkError("LogisticRegression: this multi_class or solver is not supported. Fit it with the default.")

    def write(draft: Draft, value: str) -> str:
        a = pre_activation(draft, value)
        return draft.apply("Softmax", a, axis=-1) if several else _both(draft, draft.apply("Sigmoid", a))

    return tensors, write


def _both(draft: Draft, value: str) -> str:
    """Both class probabilities, 1 − σ(a) and σ(a)."""
    return draft.apply("Concat", draft.apply("Sub", 1.0, value), value, axis=1)


PREDICTORS: Mapping[str, Callable[[Any], Predictor]] = {
    "MLPClassifier": _perceptron,
    "MLPRegressor": _perceptron,
    "LogisticRegression": _logistic,
    **dict.fromkeys(
        ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "BayesianRidge",
         "ARDRegression", "HuberRegressor", "TheilSenRegressor", "Lars", "LassoLars", "SGDRegressor", "LinearSVR"),
        _linear,
    ),
}  # fmt: skip


def _standard(draft: Draft, value: str, step: Any) -> str:
    value = value if step.mean_ is None or not step.with_mean else draft.apply("Sub", value, step.mean_)
    return value if step.scale_ is None else draft.apply("Div", value, step.scale_)


def _to_range(draft: Draft, value: str, step: Any) -> str:
    value = draft.apply("Add", draft.apply("Mul", value, step.scale_), step.min_)
    return draft.apply("Clip", value, *map(float, step.feature_range)) if step.clip else value


def _to_one(draft: Draft, value: str, step: Any) -> str:
    value = draft.apply("Div", value, step.scale_)
    return draft.apply("Clip", value, -1.0, 1.0) if getattr(step, "clip", False) else value


def _robust(draft: Draft, value: str, step: Any) -> str:
    value = value if step.center_ is None else draft.apply("Sub", value, step.center_)
    return value if step.scale_ is None else draft.apply("Div", value, step.scale_)


def _components(draft: Draft, value: str, step: Any) -> str:
    value = draft.apply("Sub", value, step.mean_)
    value = draft.apply("MatMul", value, np.asarray(step.components_.T))
    return draft.apply("Div", value, np.sqrt(step.explained_variance_)) if step.whiten else value


SCALERS: Mapping[str, Callable[[Draft, str, Any], str]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _to_range,
    "MaxAbsScaler": _to_one,
    "RobustScaler": _robust,
    "Normalizer": lambda draft, value, step: draft.apply("Normalizer", value, norm=step.norm.upper()),
    "PCA": _components,
}
