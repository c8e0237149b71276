"""Faults in the rules of operations: activations, linear operations, softmax, and what moves elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit, ndtr

from jachess.network.graph import Array
from jachess.network.operations.record import Call
from tests.faults.fault import ALL, HESSIAN, OF_WEIGHTS, Fault, nothing, rule, times

Factor = Callable[[Array], Any]


def density(x: Array) -> Array:
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def first(operation: str, name: str, factor: Factor) -> Fault:
    """A wrong h', by what it is too large; a function of x."""
    wrong = times(lambda call: factor(call.x))
    plant = rule(operation, tangent=wrong, cotangent=wrong, derivative=lambda f: f and (
        lambda call: f(call) * factor(call.x)))  # fmt: skip
    return Fault("first derivative", f"{operation}: {name}", plant, ALL, operation)


def second(operation: str, name: str, factor: Factor) -> Fault:
    """A wrong h''."""
    wrong = times(lambda call: factor(call.x))
    return Fault("second derivative", f"{operation}: {name}", rule(operation, curvature=wrong), HESSIAN, operation)


def operands_swapped(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda call, *given: tuple(reversed(f(call, *given)))


def second_operand(factor: float) -> Callable[..., Any]:
    return lambda f: (
        lambda call, *given: tuple(
            part if part is None or slot != 1 else factor * part for slot, part in enumerate(f(call, *given))
        )
    )


def bias(factor: float) -> Callable[..., Any]:
    """Only the cotangent of the third operand."""
    return lambda f: (
        lambda call, *given: tuple(
            part if part is None or slot != 2 else factor * part for slot, part in enumerate(f(call, *given))
        )
    )


def weights_not_transposed(f: Callable[..., Any]) -> Callable[..., Any]:
    """ȳ W in the place of ȳ Wᵀ, where that has the shape."""

    def faulty(call: Call, dy: Any, wanted: Any) -> Any:
        found, w = list(f(call, dy, wanted)), call.inputs[1]
        if dy[0] is not None and wanted[0] and w is not None and w.ndim == 2 and w.shape[0] == w.shape[1]:
            found[0] = dy[0] @ (w.T if call.attributes.get("transB") else w)
        return tuple(found)

    return faulty


def softmax_without_cross_term(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda call, dy, *wanted: (None if dy[0] is None else call.y * dy[0],)


def softmax_cross_term_added(f: Callable[..., Any]) -> Callable[..., Any]:
    def faulty(call: Call, dy: Any, *wanted: Any) -> Any:
        if dy[0] is None:
            return (None,)
        weighted = call.y * dy[0]
        return (weighted + call.y * weighted.sum(axis=call.attributes["axis"], keepdims=True),)

    return faulty


def parts_reversed(f: Callable[..., Any]) -> Callable[..., Any]:
    """The parts of a concatenation in the wrong order, where they have the same shapes."""

    def faulty(call: Call, *given: Any) -> Any:
        found = f(call, *given)
        shapes = {part.shape for part in found if part is not None}
        return tuple(reversed(found)) if len(shapes) == 1 else found

    return faulty


def not_moved_back(f: Callable[..., Any]) -> Callable[..., Any]:
    def faulty(call: Call, dy: Any, wanted: Any) -> Any:
        return (None if dy[0] is None else dy[0].reshape(dy[0].shape[: dy[0].ndim - call.y.ndim] + call.x.shape),)

    return faulty


def gathered_once(f: Callable[..., Any]) -> Callable[..., Any]:
    """Cotangents put in their places, where they should be added."""

    def faulty(call: Call, dy: Any, wanted: Any) -> Any:
        if dy[0] is None:
            return (None, None)
        whole = np.zeros((*dy[0].shape[:-1], call.x.shape[-1]))
        whole[..., call.inputs[1]] = dy[0]
        return (whole, None)

    return faulty


def mean_of_repeated(f: Callable[..., Any]) -> Callable[..., Any]:
    """A mean over the axes along which an operand was repeated, in the place of the sum."""

    def faulty(call: Call, dy: Any, wanted: Any) -> Any:
        found = f(call, dy, wanted)
        return tuple(
            None if part is None or x is None else part * (x.size / call.y.size)
            for part, x in zip(found, call.inputs, strict=True)
        )

    return faulty


RULES = (
    first("Tanh", "1 + y² for 1 − y²", lambda x: (1 + np.tanh(x) ** 2) * np.cosh(x) ** 2),
    first("Tanh", "1 − y for 1 − y²", lambda x: 1 / (1 + np.tanh(x))),
    first("Sigmoid", "σ for σ(1 − σ)", lambda x: 1 + np.exp(x)),
    first("Sigmoid", "negative", lambda x: -1.0),
    first("Softplus", "σ(−x) for σ(x)", lambda x: np.exp(-x)),
    first("Gelu", "without xφ(x)", lambda x: ndtr(x) / (ndtr(x) + x * density(x))),
    first("Swish", "without xσ'(x)", lambda x: 1 / (1 + x * expit(-x))),
    first("Elu", "1 for negative x too", lambda x: np.exp(-np.minimum(x, 0))),
    first("Relu", "one unit's neighbour", lambda x: np.roll(x > 0, 1, axis=-1) * 1.0),
    first("LeakyRelu", "0 for negative x", lambda x: (x > 0) * 1.0),
    first("PRelu", "half of it for negative x", lambda x: np.where(x > 0, 1.0, 0.5)),
    first("Sin", "negative", lambda x: -1.0),
    first("Softsign", "without the square", lambda x: 1 + np.abs(x)),
    first("HardSwish", "x/3 without 1/2", lambda x: np.where(np.abs(x) < 3, x / (x + 1.5), 1.0)),
    second("Tanh", "negative", lambda x: -1.0),
    second("Tanh", "without the factor 2", lambda x: 0.5),
    second("Sigmoid", "negative", lambda x: -1.0),
    second("Sigmoid", "left out", lambda x: 0.0),
    second("Softplus", "σ for σ'", lambda x: 1 / expit(-x)),
    second("Gelu", "2 + x² for 2 − x²", lambda x: (2 + x * x) / (2 - x * x)),
    second("Swish", "half of it", lambda x: 0.5),
    second("Elu", "left out", lambda x: 0.0),
    second("Mish", "1 % too large", lambda x: 1.01),
    second("Sin", "negative", lambda x: -1.0),
    second("HardSwish", "left out", lambda x: 0.0),
    Fault("missing curvature", "Mul", rule("Mul", curvature=nothing), HESSIAN, "Mul"),
    Fault("missing curvature", "PRelu", rule("PRelu", curvature=nothing), HESSIAN, "PRelu"),
    Fault("missing curvature", "Softmax", rule("Softmax", curvature=nothing), HESSIAN, "Softmax"),
    Fault("missing curvature", "Div", rule("Div", curvature=nothing), HESSIAN, "Div"),
    Fault("missing curvature", "Gemm", rule("Gemm", curvature=nothing), HESSIAN, "Gemm"),
    Fault("softmax", "cross term left out of the cotangent", rule("Softmax", cotangent=softmax_without_cross_term), ALL,
          "Softmax"),
    Fault("softmax", "cross term left out of the tangent", rule("Softmax", tangent=softmax_without_cross_term), HESSIAN,
          "Softmax"),
    Fault("softmax", "cross term added", rule("Softmax", cotangent=softmax_cross_term_added,
          tangent=softmax_cross_term_added), ALL, "Softmax"),
    Fault("transposed", "W for Wᵀ in Gemm's cotangent", rule("Gemm", cotangent=weights_not_transposed), ALL, "Gemm"),
    Fault("transposed", "W for Wᵀ in MatMul's cotangent", rule("MatMul", cotangent=weights_not_transposed), ALL,
          "MatMul"),
    Fault("transposed", "not back again in Transpose's cotangent", rule("Transpose", cotangent=not_moved_back),
          OF_WEIGHTS, "Transpose"),
    Fault("α and β", "β left out of the bias's cotangent", rule("Gemm", cotangent=bias(2.0)), OF_WEIGHTS, "Gemm"),
    Fault("α and β", "α squared in the tangent", rule("Gemm", tangent=times(lambda call: call.attributes["alpha"])),
          HESSIAN, "Gemm"),
    Fault("α and β", "α left out behind a perturbed unit", rule("Gemm", from_diagonal=lambda f: lambda call, *given:
          f(call, *given) / call.attributes["alpha"]), HESSIAN, "Gemm"),
    Fault("sign", "of what Sub takes away", rule("Sub", cotangent=second_operand(-1), tangent=times(lambda call: 1.0)),
          OF_WEIGHTS, "Sub"),
    Fault("sign", "of Mul's second operand", rule("Mul", cotangent=second_operand(-1)), OF_WEIGHTS, "Mul"),
    Fault("sign", "of Add's second operand", rule("Add", cotangent=second_operand(-1)), OF_WEIGHTS, "Add"),
    Fault("mixed-up inputs", "of a concatenation", rule("Concat", cotangent=parts_reversed), ALL, "Concat"),
    Fault("mixed-up inputs", "of a product", rule("Mul", cotangent=operands_swapped), ALL, "Mul"),
    Fault("mixed-up inputs", "parts of a split", rule("Split", tangent=parts_reversed), HESSIAN, "Split"),
    Fault("missing term", "mean for sum over a repeated operand", rule("Mul", cotangent=mean_of_repeated), OF_WEIGHTS,
          "Mul"),
    Fault("missing term", "1/n in the derivative of a mean", rule("ReduceMean", tangent=times(lambda call:
          call.x.size / call.y.size), cotangent=times(lambda call: call.x.size / call.y.size)), ALL, "ReduceMean"),
    Fault("missing term", "an element gathered twice counts once", rule("Gather", cotangent=gathered_once),
          OF_WEIGHTS, "Gather"),
)  # fmt: skip
"""One record a fault."""
