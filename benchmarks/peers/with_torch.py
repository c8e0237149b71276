"""PyTorch's transforms of functions, with all its threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from benchmarks.cases import EPSILON, HEADS, Case

Run = Callable[[], np.ndarray]
VERSION = f"torch {torch.__version__}"


def _given(case: Case) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array.astype(case.dtype))

    return [tensor(array) for array in case.tensors()], tensor(case.points()), tensor(case.targets())


def _chain(w: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    for weight, bias in zip(w[:-2:2], w[1:-2:2], strict=True):
        x = torch.tanh(x @ weight.T + bias)
    return x @ w[-2].T + w[-1]


def _convolution(w: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    for kernel, bias in (w[:2], w[2:4]):
        x = functional.avg_pool2d(torch.tanh(functional.conv2d(x, kernel, bias, padding=1)), 2)
    return x.flatten(1) @ w[4].T + w[5]


def _transformer(w: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    x = x @ w[0].T + w[1]
    n, tokens, d = x.shape
    z = functional.layer_norm(x, (d,), w[2], w[3], EPSILON)
    q, k, v = (
        (z @ weight.T + bias).reshape(n, tokens, HEADS, d // HEADS).transpose(1, 2)
        for weight, bias in (w[4:6], w[6:8], w[8:10])
    )
    seen = torch.softmax(q @ k.transpose(2, 3) / (d // HEADS) ** 0.5, -1) @ v
    x = x + seen.transpose(1, 2).reshape(n, tokens, d) @ w[10].T + w[11]
    z = functional.layer_norm(x, (d,), w[12], w[13], EPSILON)
    x = x + torch.tanh(z @ w[14].T + w[15]) @ w[16].T + w[17]
    return x.mean(1) @ w[18].T + w[19]


NETWORKS = {"chain": _chain, "convolution": _convolution, "transformer": _transformer}


def _jacobian(case: Case, transform: Callable[..., Callable[..., torch.Tensor]]) -> Run:
    tensors, points, _ = _given(case)

    def outputs(x: torch.Tensor) -> torch.Tensor:
        return NETWORKS[case.kind](tensors, x[None])[0]

    function = torch.func.vmap(transform(outputs))
    shape = (case.n_points, case.sizes[-1], -1)
    return lambda: function(points).detach().reshape(shape).numpy()


def _hessian(case: Case, chunk_size: int) -> Run:
    tensors, points, targets = _given(case)
    w = torch.cat([tensor.ravel() for tensor in tensors])
    shapes = [tensor.shape for tensor in tensors]

    def error(w: torch.Tensor) -> torch.Tensor:
        parts = [part.view(shape) for part, shape in zip(w.split([s.numel() for s in shapes]), shapes, strict=True)]
        return 0.5 * ((NETWORKS[case.kind](parts, points) - targets) ** 2).sum()

    function = torch.func.jacrev(torch.func.grad(error), chunk_size=chunk_size)
    return lambda: function(w).detach().numpy()


WAYS = {
    "jacobian": {
        "vmap(jacrev)": lambda case: _jacobian(case, torch.func.jacrev),
        "vmap(jacfwd)": lambda case: _jacobian(case, torch.func.jacfwd),
    },
    "hessian": {
        "chunk_size 64": lambda case: _hessian(case, 64),
        "chunk_size 256": lambda case: _hessian(case, 256),
    },
}
