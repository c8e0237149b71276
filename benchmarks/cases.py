"""What is measured: dense tanh networks, the derivatives asked of them, and the numbers all contenders are given."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

Layers = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A quantity ("jacobian" or "hessian") of a network with these layer sizes, for N points, in one floating type."""

    quantity: str
    sizes: tuple[int, ...]
    dtype: str = "float64"
    n_points: int = 1024
    target: float | None = None

    @property
    def name(self) -> str:
        return "-".join(map(str, self.sizes))

    @property
    def n_weights(self) -> int:
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.sizes))

    @property
    def n_bytes(self) -> int:
        """Bytes of the result."""
        shape = (self.n_weights,) * 2 if self.quantity == "hessian" else (self.n_points, self.sizes[0], self.sizes[-1])
        return int(np.prod(shape)) * np.dtype(self.dtype).itemsize

    def layers(self) -> Layers:
        """Weights (units, inputs) and biases of each layer; the last is linear, the others tanh."""
        random = np.random.default_rng(0)
        shapes = list(pairwise(self.sizes))
        return [
            (random.normal(size=(n_out, n_in)) / np.sqrt(n_in), random.normal(size=n_out) / np.sqrt(n_in))
            for n_in, n_out in shapes
        ]

    def points(self) -> np.ndarray:
        return np.random.default_rng(1).normal(size=(self.n_points, self.sizes[0]))

    def targets(self) -> np.ndarray:
        return np.random.default_rng(2).normal(size=(self.n_points, self.sizes[-1]))

    def operations(self) -> float:
        """Floating-point operations of the matrix products that our formula needs.

        Hessian: a quarter of the products within a layer, the diagonal G of adjacent layers, the upper triangle.
        Jacobian: the cheapest bracketing of the chain of layers.
        """
        if self.quantity == "jacobian":
            return 2.0 * self.n_points * _chain(self.sizes)
        total, n_layers = 0.0, len(self.sizes) - 1
        for first in range(n_layers):
            i, j = self.sizes[first] + 1, self.sizes[first + 1]
            total += j * (j + 1) / 2 * i * (i + 1) / 2
            for second in range(first + 1, n_layers):
                p, k = self.sizes[second] + 1, self.sizes[second + 1]
                total += j * k * i * p + j * i * k * (1 if second == first + 1 else p - 1)
        return 2.0 * self.n_points * total


def _chain(sizes: tuple[int, ...]) -> float:
    """Multiplications for one point of the cheapest bracketing of W_L diag … diag W_1."""
    n = len(sizes)
    best = {(a, a + 1): 0.0 for a in range(n - 1)}
    for length in range(2, n):
        for a in range(n - length):
            c = a + length
            best[a, c] = min(best[a, b] + best[b, c] + sizes[a] * sizes[b] * sizes[c] for b in range(a + 1, c))
    return best[0, n - 1]


HESSIANS = (
    Case("hessian", (20, 32, 32, 5), target=25),
    Case("hessian", (20, 64, 64, 5), target=40),
    Case("hessian", (64, 32, 10), target=25),
    Case("hessian", (8, 32, 32, 32, 32, 1), target=25),
)
NO_CLIFFS = (
    Case("hessian", (4, 100, 1)),
    Case("hessian", (20, 32, 32, 1)),
    Case("hessian", (8,) * 11),
    Case("hessian", (20, 32, 32, 5), n_points=16),
    Case("hessian", (4, 4, 1), n_points=10**6),
)
JACOBIANS = tuple(
    Case("jacobian", sizes, target=target)
    for sizes, target in (
        ((784, 256, 256, 10), 1.2),
        ((64, 128, 128, 64), 1.2),
        ((8, 64, 64, 3), 1.2),
        ((3072, 512, 100), 1.2),
        ((100, 1000, 50, 1000, 100), 1.2),
        ((784, 256, 16, 256, 784), 3.0),
        ((256, 128, 8, 128, 256), 3.0),
    )
)
