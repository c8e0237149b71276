"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

import numpy as np

from jachess.network.operations.smooth import smooth

TRIGONOMETRY = (
    smooth("Sin", np.sin, np.cos, lambda x: -np.sin(x)),
    smooth("Cos", np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)),
    smooth("Tan", np.tan, lambda x: np.cos(x) ** -2, lambda x: 2 * np.sin(x) * np.cos(x) ** -3),
    smooth("Asin", np.arcsin, lambda x: (1 - x * x) ** -0.5, lambda x: x * (1 - x * x) ** -1.5),
    smooth("Acos", np.arccos, lambda x: -((1 - x * x) ** -0.5), lambda x: -x * (1 - x * x) ** -1.5),
    smooth("Atan", np.arctan, lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2),
    smooth("Sinh", np.sinh, np.cosh, np.sinh),
    smooth("Cosh", np.cosh, np.sinh, np.cosh),
    smooth("Asinh", np.arcsinh, lambda x: (1 + x * x) ** -0.5, lambda x: -x * (1 + x * x) ** -1.5),
    smooth("Acosh", np.arccosh, lambda x: (x * x - 1) ** -0.5, lambda x: -x * (x * x - 1) ** -1.5),
    smooth("Atanh", np.arctanh, lambda x: 1 / (1 - x * x), lambda x: 2 * x / (1 - x * x) ** 2),
)
