"""Error functions E = Σ_n E_n, each with the output unit that belongs to it.

E is a function of the outputs' last pre-activations a (N, K), so that the gradient δ = ∂E_n/∂a is the
difference of output and target, and nothing overflows where a unit saturates. `ErrorFunction.response` is the
product with the second derivatives A = ∂²E_n/∂a∂a, all that the Hessian needs of E.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jachess.errors import JobError, PointsError
from jachess.network.graph import Array
from jachess.network.operations.smooth import sigmoid, sigmoid1
from jachess.network.operations.softmax import balanced, log_sum, product, softmax


@dataclass(frozen=True)
class ErrorFunction:
    """An error function of the pre-activations a (n, K) and the targets t (n, K).

    Attributes
    ----------
    value : (a, t) -> (n,)
        E_n of each point.
    gradient : (a, t) -> (n, K)
        δ_k = ∂E_n/∂a_k.
    response : (a, t, ȧ) -> (..., n, K)
        A ȧ for tangents ȧ (..., n, K).
    units : tuple of str
        Output-unit operations whose pre-activation this error function starts from.
    probabilities : bool
        Targets lie in [0, 1].
    classes : bool
        Targets are probabilities of K exclusive classes, or class numbers (n,).
    """

    name: str
    value: Callable[[Array, Array], Array]
    gradient: Callable[[Array, Array], Array]
    response: Callable[[Array, Array, Array], Array]
    units: tuple[str, ...] = ()
    probabilities: bool = False
    classes: bool = False

    def __reduce__(self) -> tuple[Callable[[str], ErrorFunction], tuple[str]]:
        """Travel by name: a record's functions need not be pickled."""
        return error_function, (self.name,)

    def check_targets(self, targets: Array, n_outputs: int) -> str | None:
        """What is wrong with some points' targets for K = ``n_outputs`` outputs; None if nothing is."""
        if targets.dtype.kind not in "biuf":
            return f"targets must be numbers (got {targets.dtype})"
        if self.classes and (targets.ndim == 1 or (targets.shape[1:] == (1,) and n_outputs > 1)):
            return _check_class_numbers(targets, n_outputs)
        n_values = targets.size // max(len(targets), 1)
        if n_values != n_outputs:
            return f"each point needs {n_outputs} targets for {self.name}, one an output (got {n_values})"
        if not np.isfinite(targets).all():
            return "targets must be finite (got NaN or infinity)"
        if self.probabilities and (targets.min(initial=0) < 0 or targets.max(initial=0) > 1):
            return f"targets for {self.name} must lie in [0, 1] (got {targets.min()} to {targets.max()})"
        # Probabilities that went through float32 sum to one within K roundings of 6e-8, not better.
        sums = targets.reshape(len(targets), -1).sum(axis=1, dtype=np.float64)
        if self.classes and np.abs(sums - 1).max(initial=0) > 1e-5 * max(1.0, n_outputs / 100):
            worst = sums[np.abs(sums - 1).argmax()]
            return f"the {n_outputs} target probabilities of a point must add up to 1 (got {worst:g})"
        return None

    def prepare_targets(self, targets: Array, n_outputs: int) -> Array:
        """Targets as floating numbers (n, K); class numbers become rows of the identity matrix.

        Raises
        ------
        PointsError
            If the targets do not fit.
        """
        problem = self.check_targets(targets, n_outputs)
        if problem:
            raise PointsError(f"targets: {problem}.")
        if self.classes and targets.size != len(targets) * n_outputs:
            return np.eye(n_outputs)[targets.reshape(-1).astype(np.int64)]
        return targets.reshape(len(targets), n_outputs).astype(np.float64)


def _check_class_numbers(targets: Array, n_outputs: int) -> str | None:
    if not np.isfinite(targets).all() or (targets != np.floor(targets)).any():
        return f"class numbers must be whole numbers from 0 to {n_outputs - 1}"
    if targets.min(initial=0) < 0 or targets.max(initial=0) >= n_outputs:
        return f"class numbers must lie in 0 to {n_outputs - 1} (got {targets.min():g} to {targets.max():g})"
    return None


def _cross_entropy(a: Array, t: Array) -> Array:
    shifted = a - a.max(axis=-1, keepdims=True)
    return np.asarray((t * (log_sum(shifted, -1) - shifted)).sum(axis=-1))


def _cross_entropy_gradient(a: Array, t: Array) -> Array:
    y = softmax(a, -1)
    return balanced(y, y * t.sum(axis=-1, keepdims=True) - t, -1)


def _cross_entropy_response(a: Array, t: Array, tangent: Array) -> Array:
    return np.asarray(t.sum(axis=-1, keepdims=True) * product(softmax(a, -1), tangent, -1))


def _binary_response(a: Array, t: Array, tangent: Array) -> Array:
    return np.asarray(sigmoid1(a) * tangent)


ERRORS: dict[str, ErrorFunction] = {
    record.name: record
    for record in (
        ErrorFunction(
            "sum-of-squares",
            value=lambda a, t: np.asarray(0.5 * ((a - t) ** 2).sum(axis=-1)),
            gradient=lambda a, t: np.asarray(a - t),
            response=lambda a, t, tangent: tangent,
        ),
        ErrorFunction(
            "cross-entropy",
            value=_cross_entropy,
            gradient=_cross_entropy_gradient,
            response=_cross_entropy_response,
            units=("Softmax", "LogSoftmax"),
            probabilities=True,
            classes=True,
        ),
        ErrorFunction(
            "binary-cross-entropy",
            # -t log σ(a) - (1 - t) log(1 - σ(a)) = log(1 + e^a) - t a
            value=lambda a, t: np.asarray((np.logaddexp(0, a) - t * a).sum(axis=-1)),
            gradient=lambda a, t: np.asarray(sigmoid(a) - t),
            response=_binary_response,
            units=("Sigmoid",),
            probabilities=True,
        ),
    )
}


def error_function(name: str) -> ErrorFunction:
    """The error function of that name.

    Raises
    ------
    JobError
        If there is none.
    """
    if name not in ERRORS:
        raise JobError(f"error: there is no error function '{name}' (wanted one of {', '.join(ERRORS)}).")
    return ERRORS[name]
