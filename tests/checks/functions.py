"""Functions with their right derivatives: the cases that the checks are tried on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Known:
    """A function (K,) of x (D,), its Jacobian (K, D), and a point."""

    name: str
    f: Callable[[Array], Array]
    jacobian: Callable[[Array], Array]
    x: Array

    def __str__(self) -> str:
        return self.name

    def in_float32(self) -> tuple[Callable[[Array], Array], Array]:
        """The function as one computed and stored in float32, and its point."""
        return lambda x: self.f(np.float32(x)).astype(np.float32), self.x.astype(np.float32)


random = np.random.default_rng(0)
A = random.normal(size=(4, 7))
V, B, U = random.normal(size=(30, 7)) / 7**0.5, random.normal(size=30), random.normal(size=(4, 30)) / 30**0.5
POINT = random.normal(size=7)


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def softmax(a: Array) -> Array:
    e = np.exp(a - a.max())
    return e / e.sum()


def rectified(x: Array) -> Array:
    return U.astype(x.dtype) @ np.maximum(V.astype(x.dtype) @ x + B.astype(x.dtype), 0)


def network(x: Array) -> Array:
    return U.astype(x.dtype) @ np.tanh(V.astype(x.dtype) @ x + B.astype(x.dtype))


KNOWN = [
    Known("linear", lambda x: A.astype(x.dtype) @ x, lambda x: A.copy(), POINT),
    Known("square", lambda x: A.astype(x.dtype) @ x**2, lambda x: 2 * A * x, POINT),
    Known("logarithm", lambda x: A.astype(x.dtype) @ np.log(x), lambda x: A / x, np.abs(POINT) + 0.1),
    Known("waves", lambda x: np.sin(3 * x[:4]), lambda x: np.eye(4, 7) * 3 * np.cos(3 * x[:4, None]), POINT),
    Known("network", network, lambda x: U @ ((1 - np.tanh(V @ x + B) ** 2)[:, None] * V), POINT),
    Known("rectified network", rectified, lambda x: U @ ((V @ x + B > 0)[:, None] * V), POINT),
    Known(
        "softmax",
        lambda x: softmax(A.astype(x.dtype) @ x),
        lambda x: (np.diag(softmax(A @ x)) - np.outer(softmax(A @ x), softmax(A @ x))) @ A,
        POINT / 3,
    ),
    Known(
        "tiny inputs",
        lambda x: np.tanh(A.astype(x.dtype) @ (x * 1e6)),
        lambda x: (1 - np.tanh(A @ (x * 1e6)) ** 2)[:, None] * A * 1e6,
        POINT * 1e-7,
    ),
    Known(
        "huge inputs",
        lambda x: np.tanh(A.astype(x.dtype) @ (x / 1e6)),
        lambda x: (1 - np.tanh(A @ (x / 1e6)) ** 2)[:, None] * A / 1e6,
        POINT * 1e5,
    ),
]
"""All but the rectified one are smooth; the point of that one is not near a kink in float64."""
