"""What is measured: networks, the derivatives asked of them, and the numbers all contenders are given.

chain           dense tanh layers of these sizes
convolution     a picture's edge, channels of two kernels of 3 by 3, classes: each kernel with tanh and a pool
transformer     tokens, features, width, classes: an embedding with places, one block of two heads, a mean
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

HEADS = 2
"""Of the transformer's attention."""
EPSILON = 2.0**-17
"""Of its standardisations; a file holds it exactly."""


@dataclass(frozen=True)
class Case:
    """A quantity ("jacobian" or "hessian") of a network of this kind and sizes, for N points, in one floating type."""

    quantity: str
    sizes: tuple[int, ...]
    dtype: str = "float64"
    n_points: int = 1024
    target: float | None = None
    kind: str = "chain"

    @property
    def name(self) -> str:
        sizes = "-".join(map(str, self.sizes))
        return sizes if self.kind == "chain" else f"{self.kind} {sizes}"

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of all tensors: a weight (units, inputs, …) and a bias for each layer; gains and shifts; places."""
        if self.kind == "convolution":
            edge, first, second, n_classes = self.sizes
            kernels: list[tuple[int, ...]] = [(first, 1, 3, 3), (second, first, 3, 3)]
            kernels.append((n_classes, second * (edge // 4) ** 2))
            return [shape for kernel in kernels for shape in (kernel, kernel[:1])]
        if self.kind == "transformer":
            n_tokens, n_features, d, n_classes = self.sizes
            attention = [(d,), (d,), *[(d, d), (d,)] * 4]
            perceptron = [(d,), (d,), (2 * d, d), (2 * d,), (d, 2 * d), (d,)]
            return [(d, n_features), (n_tokens, d), *attention, *perceptron, (n_classes, d), (n_classes,)]
        return [shape for n_in, n_out in pairwise(self.sizes) for shape in ((n_out, n_in), (n_out,))]

    @property
    def point_shape(self) -> tuple[int, ...]:
        if self.kind == "convolution":
            return (1, self.sizes[0], self.sizes[0])
        return self.sizes[:2] if self.kind == "transformer" else self.sizes[:1]

    @property
    def n_weights(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def n_bytes(self) -> int:
        """Bytes of the result."""
        shape = (
            (self.n_weights,) * 2
            if self.quantity == "hessian"
            else ((self.n_points, int(np.prod(self.point_shape)), self.sizes[-1]))
        )
        return int(np.prod(shape)) * np.dtype(self.dtype).itemsize

    def tensors(self) -> list[np.ndarray]:
        """Random weights; of each layer the bias has its weight's scale."""
        random, found = np.random.default_rng(0), []
        fan_in = 1.0
        for shape in self.shapes:
            fan_in = float(np.prod(shape[1:])) if len(shape) > 1 else fan_in
            found.append(random.normal(size=shape) / np.sqrt(fan_in))
        return found

    def points(self) -> np.ndarray:
        return np.random.default_rng(1).normal(size=(self.n_points, *self.point_shape))

    def targets(self) -> np.ndarray:
        return np.random.default_rng(2).normal(size=(self.n_points, self.sizes[-1]))

    def operations(self) -> float | None:
        """Floating-point operations of the matrix products that our formula needs, for a chain.

        Hessian: a quarter of the products within a layer, the diagonal G of adjacent layers, the upper triangle.
        Jacobian: the cheapest bracketing of the chain of layers.
        """
        if self.kind != "chain":
            return None
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
POSITIONS = (
    *(
        Case(quantity, sizes, n_points=256, target=target, kind=kind)
        for kind, sizes in (("convolution", (8, 4, 8, 10)), ("transformer", (8, 4, 8, 5)))
        for quantity, target in (("hessian", 5), ("jacobian", 1))
    ),
    Case("hessian", (8, 8, 32, 10), n_points=64, target=5, kind="convolution"),
    Case("hessian", (8, 8, 32, 5), n_points=32, target=5, kind="transformer"),
)
"""Weights that act at many positions."""
