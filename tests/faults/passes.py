"""Faults in the error functions and in the passes over the graph: propagation, perturbation, R-operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from jachess.backprop.diagonal import Diagonal
from jachess.network.error_functions import ERRORS
from jachess.network.graph import Array
from jachess.network.operations.softmax import softmax
from tests.faults.fault import ALL, HESSIAN, OF_WEIGHTS, Fault, Plant, around, instead, several

PROPAGATION = "jachess.backprop.propagation"
PERTURBATIONS = "jachess.backprop.perturbations.Perturbations"
DIAGONAL = "jachess.backprop.diagonal.Diagonal"


def error(name: str, **functions: Callable[..., Any]) -> Plant:
    """Another gradient, or response, of an error function."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setitem(ERRORS, name, replace(ERRORS[name], **functions))

    return plant


def cross_term(factor: float) -> Callable[..., Any]:
    def response(a: Array, t: Array, tangent: Array) -> Array:
        weighted = softmax(a, -1) * tangent
        return weighted - factor * softmax(a, -1) * weighted.sum(axis=-1, keepdims=True)

    return response


def only_the_last(f: Callable[..., Any]) -> Callable[..., Any]:
    """A value that feeds several operations keeps what the last of them says."""
    return lambda sums, names, terms: sums.update(
        {name: term for name, term in zip(names, terms, strict=True) if term is not None and name}
    )


def curvature_taken_away(f: Callable[..., Any]) -> Callable[..., Any]:
    def faulty(found: Any, *given: Any) -> Any:
        before = [None if part is None else part.copy() for part in found]
        after = f(found, *given)
        return tuple(None if b is None else -b if a is None else 2 * a - b for a, b in zip(before, after, strict=True))

    return faulty


def at_the_next_unit(f: Callable[..., Any]) -> Callable[..., Any]:
    """What belongs to a perturbed unit lies in its neighbour."""
    return lambda own, *given: f(Diagonal(np.roll(own.values, 1, axis=-1), (own.units + 1) % own.values.shape[-1]),
                                 *given)  # fmt: skip


def in_all_units(f: Callable[..., Any]) -> Callable[..., Any]:
    def faulty(own: Diagonal) -> Array:
        return np.ones_like(f(own)) * own.rows()[:, :, None]

    return faulty


def columns_of_b(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda rows, units, b: f(rows, units, b.T if b.shape[0] == b.shape[1] else b)


def perturbed(
    tangents: Callable[[Any], Any] = lambda kept: kept, responses: Callable[[Array], Any] = lambda kept: kept
) -> Plant:
    """Other tangents G, or responses R, of perturbed units; None leaves them out."""

    def wrapper(f: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(*given: Any) -> Any:
            found = f(*given)
            changed = [
                {name: change(array) for name, array in part.items()}
                for change, part in zip((tangents, responses), found, strict=True)
            ]
            return tuple({name: array for name, array in part.items() if array is not None} for part in changed)

        return faulty

    return around(f"{PERTURBATIONS}.perturb", wrapper)


def without_diagonal(tangent: Any) -> Any:
    return None if isinstance(tangent, Diagonal) else tangent


def with_sign(tangent: Any) -> Any:
    return Diagonal(-tangent.values, tangent.units) if isinstance(tangent, Diagonal) else -tangent


def units_by_units(response: Array) -> Array:
    """R_kj for R_jk, where there are as many."""
    return response.swapaxes(0, 2).copy() if response.shape[0] == response.shape[2] else response


def single(array: Array) -> Array:
    """Rounded to float32."""
    return array.astype(np.float32).astype(np.float64)


def fed(change: Callable[[Array, Array], Array]) -> Plant:
    """Other values that feed a layer; ``change`` is given them and which of them are a bias's 1."""

    def wrapper(f: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(own: Any, layer: Any) -> Array:
            bias = np.concatenate([np.full(width, not name) for name, width in layer.inputs])
            return change(f(own, layer).copy(), bias[:, None])

        return faulty

    return around(f"{PERTURBATIONS}.fed", wrapper)


def errors(change: Callable[[Array], Array | None]) -> Plant:
    """Other errors δ of a layer's units."""
    return around(f"{PERTURBATIONS}.error", lambda f: lambda own, layer: _changed(f(own, layer), change))


def _changed(array: Array | None, change: Callable[[Array], Array | None]) -> Array | None:
    return None if array is None else change(array)


NO_CURVATURE = instead(f"{PROPAGATION}._with_curvature", lambda found, *given: found)

PASSES = (
    Fault("softmax", "cross term of the error function left out", error("cross-entropy", response=cross_term(0)),
          HESSIAN),
    Fault("softmax", "cross term of the error function added", error("cross-entropy", response=cross_term(-1)),
          HESSIAN),
    Fault("sum of targets", "left out of δ", error("cross-entropy", gradient=lambda a, t: softmax(a, -1) - t),
          OF_WEIGHTS),
    Fault("sum of targets", "left out of the response", error("cross-entropy", response=cross_term(1)), HESSIAN),
    Fault("target", "off by one class in δ", error("cross-entropy", gradient=lambda a, t: softmax(a, -1) -
          np.roll(t, 1, axis=-1)), OF_WEIGHTS),
    Fault("error function", "σ for σ(1 − σ)", error("binary-cross-entropy", response=lambda a, t, tangent: expit(a) *
          tangent), HESSIAN),
    Fault("error function", "1/2 of the sum of squares forgotten", error("sum-of-squares", gradient=lambda a, t:
          2 * (a - t)), OF_WEIGHTS),
    Fault("error function", "twice as large in δ and its response", error("sum-of-squares", gradient=lambda a, t:
          2 * (a - t), response=lambda a, t, tangent: 2 * tangent), OF_WEIGHTS),
    Fault("sign", "of δ", error("binary-cross-entropy", gradient=lambda a, t: t - expit(a)), OF_WEIGHTS),
    Fault("sign", "of the response of δ", error("sum-of-squares", response=lambda a, t, tangent: -tangent), HESSIAN),
    Fault("missing term", "of a value that feeds several", around(f"{PROPAGATION}._add", only_the_last), ALL),
    Fault("missing term", "responses of the outputs", instead("jachess.backprop.perturbations.output_responses",
          lambda *given: {}), HESSIAN),
    Fault("missing curvature", "everywhere", NO_CURVATURE, HESSIAN),
    Fault("missing curvature", "Gauss-Newton for the exact Hessian", several(NO_CURVATURE, perturbed(tangents=lambda
          tangent: None)), HESSIAN),
    Fault("sign", "of the curvature", around(f"{PROPAGATION}._with_curvature", curvature_taken_away), HESSIAN),
    Fault("diagonal", "curvature added at the next unit", around(f"{DIAGONAL}.add_to", at_the_next_unit), HESSIAN),
    Fault("diagonal", "spelled out at the next unit", around(f"{DIAGONAL}.dense", at_the_next_unit), HESSIAN),
    Fault("diagonal", "treated as dense", around(f"{DIAGONAL}.dense", in_all_units), HESSIAN),
    Fault("transposed", "columns for rows of W behind a perturbed unit", around(
          "jachess.network.operations.linear._rows_of_diagonal", columns_of_b), HESSIAN),
    Fault("missing term", "R of all layers", perturbed(responses=lambda response: None), HESSIAN),
    Fault("missing term", "δG of all layers", perturbed(tangents=lambda tangent: None), HESSIAN),
    Fault("missing term", "δG of neighbouring layers", perturbed(tangents=without_diagonal), HESSIAN),
    Fault("sign", "of G", perturbed(tangents=with_sign), HESSIAN),
    Fault("sign", "of R", perturbed(responses=lambda response: -response), HESSIAN),
    Fault("transposed", "R_kj for R_jk", perturbed(responses=units_by_units), HESSIAN),
    Fault("rounding to float32", "R", perturbed(responses=single), HESSIAN, least=1e-8),
    Fault("rounding to float32", "z", fed(lambda z, bias: single(z)), HESSIAN, least=1e-8),
    Fault("rounding to float32", "δ", errors(single), HESSIAN, least=1e-8),
    Fault("bias", "forgotten", fed(lambda z, bias: np.where(bias, 0.0, z)), HESSIAN),
    Fault("bias", "z_0 = −1", fed(lambda z, bias: np.where(bias, -1.0, z)), HESSIAN),
    Fault("off by one", "inputs of a layer", fed(lambda z, bias: np.roll(z, 1, axis=0)), HESSIAN),
    Fault("off by one", "errors of a layer", errors(lambda delta: np.roll(delta, 1, axis=0)), HESSIAN),
    Fault("off by one", "points of δ", errors(lambda delta: np.roll(delta, 1, axis=1)), HESSIAN),
    Fault("missing term", "δ", errors(lambda delta: None), HESSIAN),
)  # fmt: skip
"""One record a fault."""
