"""Linear models of ai.onnx.ml: a product with coefficients that stand in attributes, and what is done to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.composites.composite import Composite, Graph


def _parameters(at: Mapping[str, Any]) -> dict[str, Array]:
    """Coefficients (outputs, inputs) and intercepts (outputs,)."""
    flat, intercepts = (np.array(at[key] or (), np.float64) for key in ("coefficients", "intercepts"))
    n_classes = max(len(at.get("classlabels_ints") or ()), len(at.get("classlabels_strings") or ()))
    rows = len(intercepts) or int(at.get("targets", n_classes))
    if rows < 1 or not len(flat) or len(flat) % rows:
        raise NetworkError(f"{len(flat)} coefficients do not fit {rows} outputs")
    found = {"coefficients": flat.reshape(rows, -1), "intercepts": intercepts}
    return {name: array for name, array in found.items() if len(array)}


def _scores(g: Graph) -> tuple[str, int]:
    """X Cᵀ + c, and the number of its columns."""
    names: list[str | Array]
    if g.input(1):
        names, rows = [g.input(slot) for slot in (1, 2) if g.input(slot)], g.value(1).shape[0]
    else:
        given = _parameters(g.call.attributes)
        names, rows = list(given.values()), len(given["coefficients"])
    flat = g.input(0) if g.value(0).ndim == 2 else g.apply("Reshape", g.input(0), [0, math.prod(g.value(0).shape[1:])])
    return g.apply("Gemm", flat, *names, transB=1), rows


def _transformed(g: Graph, scores: str) -> str:
    units = {"NONE": "Identity", "LOGISTIC": "Sigmoid", "SOFTMAX": "Softmax"}
    how = g.call.attributes["post_transform"]
    if how not in units:
        raise NetworkError(f"the transform '{how}' is not supported (wanted {', '.join(units)})")
    return scores if how == "NONE" else g.apply(units[how], scores)


def _regressor(g: Graph) -> list[str]:
    return [_transformed(g, _scores(g)[0])]


def _classifier(g: Graph) -> list[str]:
    scores, columns = _scores(g)
    numbers, words = g.call.attributes["classlabels_ints"] or (), g.call.attributes["classlabels_strings"] or ()
    if columns == 1 and len(numbers or words) == 2:
        scores, columns = g.apply("Concat", g.apply("Neg", scores), scores, axis=1), 2
    made = _transformed(g, scores)
    if not g.wants(0):
        return ["", made]
    if len(numbers) != columns:
        raise NetworkError(f"its labels cannot be read (wanted {columns} whole numbers; got {len(numbers)})")
    return [g.apply("Gather", list(numbers), g.apply("ArgMax", made, axis=1, keepdims=0)), made]


_COEFFICIENTS = {"coefficients": None, "intercepts": None, "post_transform": "NONE"}
LINEAR_MODELS = (
    Composite(
        "LinearRegressor",
        (1, 3),
        _regressor,
        {**_COEFFICIENTS, "targets": 1},
        (1, 2),
        domain="ai.onnx.ml",
        parameters=_parameters,
    ),
    Composite(
        "LinearClassifier",
        (1, 3),
        _classifier,
        {**_COEFFICIENTS, "classlabels_ints": None, "classlabels_strings": None, "multi_class": 0},
        (1, 2),
        domain="ai.onnx.ml",
        parameters=_parameters,
    ),
)
"""As nodes of a file they have one input; the reader adds coefficients and intercepts, so that these are weights."""
