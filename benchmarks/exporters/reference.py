"""The original network in PyTorch, in float64: its derivatives by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

Array = np.ndarray[Any, np.dtype[Any]]
READINGS: dict[str | None, str | None] = {
    "logits": "cross-entropy", "probabilities": "cross-entropy", "log-probabilities": "cross-entropy",
    "log-odds": "binary-cross-entropy", "sigmoids": "binary-cross-entropy", None: None,
}  # fmt: skip


def error(reading: str | None, y: Any, t: Any) -> Any:
    """E of the outputs (N, K), by its plain definition; half the sum of squares if no ``reading`` is given."""
    terms: Mapping[str | None, Callable[[], Any]] = {
        None: lambda: 0.5 * (y - t) ** 2,
        "logits": lambda: -t * F.log_softmax(y, -1),
        "probabilities": lambda: -t * torch.log(y),
        "log-probabilities": lambda: -t * y,
        "log-odds": lambda: F.softplus(y) - t * y,
        "sigmoids": lambda: -t * torch.log(y) - (1 - t) * torch.log1p(-y),
    }
    return terms[reading]().sum()


class Reference:
    """A module as a function of one vector θ of all its parameters."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module.double()
        named = dict(module.named_parameters())
        self.shapes = {name: p.shape for name, p in named.items()}
        self.theta = np.concatenate([p.detach().numpy().ravel() for p in named.values()] or [np.zeros(0)])

    def places(self, values: Array) -> Array | None:
        """Where in θ each of these values is, up to rounding to float32; None unless all are there."""
        order = np.argsort(self.theta)
        known = self.theta[order]
        near = np.clip(np.searchsorted(known, values), 1, len(known) - 1)
        near -= values - known[near - 1] < known[near] - values
        return order[near] if np.allclose(known[near], values, rtol=1e-6, atol=1e-7) else None

    def outputs(self, theta: Any, inputs: Sequence[Any]) -> Any:
        """All outputs (N, K)."""
        sizes = [shape.numel() for shape in self.shapes.values()]
        parts = zip(self.shapes.items(), torch.split(theta, sizes), strict=True)
        given = {name: part.view(shape) for (name, shape), part in parts}
        with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivatives
            y = torch.func.functional_call(self.module, given, tuple(inputs))
        return torch.cat([part.reshape(len(part), -1) for part in (y if isinstance(y, tuple) else (y,))], 1)

    def values(self, points: Sequence[Array]) -> Array:
        """The same for points and θ as they are."""
        with torch.no_grad():
            values: Array = self.outputs(torch.from_numpy(self.theta), [torch.from_numpy(x) for x in points]).numpy()
        return values

    def jacobian(self, inputs: Sequence[Any], slot: int) -> Array:
        """(N, K, D), with respect to the inputs in this slot."""

        def summed(x: Any) -> Any:
            return self.outputs(torch.from_numpy(self.theta), [*inputs[:slot], x, *inputs[slot + 1 :]]).sum(0)

        rows = torch.autograd.functional.jacobian(summed, inputs[slot])
        return np.moveaxis(rows.reshape(*rows.shape[:2], -1).numpy(), 0, 1)

    def gradient_and_hessian(self, inputs: Sequence[Any], targets: Any, reading: str | None) -> tuple[Array, Array]:
        """Of E with respect to θ."""

        def total(theta: Any) -> Any:
            return error(reading, self.outputs(theta, inputs), targets)

        theta = torch.from_numpy(self.theta)
        gradient = torch.autograd.functional.jacobian(total, theta)
        return gradient.numpy(), torch.autograd.functional.hessian(total, theta).numpy()
