"""PyTorch's transforms of functions, with all its threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.cases import Case

Run = Callable[[], np.ndarray]
VERSION = f"torch {torch.__version__}"


def _given(case: Case) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], torch.Tensor, torch.Tensor]:
    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array.astype(case.dtype))

    layers = [(tensor(weight), tensor(bias)) for weight, bias in case.layers()]
    return layers, tensor(case.points()), tensor(case.targets())


def _network(layers: list[tuple[torch.Tensor, torch.Tensor]], x: torch.Tensor) -> torch.Tensor:
    for weight, bias in layers[:-1]:
        x = torch.tanh(x @ weight.T + bias)
    weight, bias = layers[-1]
    return x @ weight.T + bias


def _jacobian(case: Case, transform: Callable[..., Callable[..., torch.Tensor]]) -> Run:
    layers, points, _ = _given(case)
    function = torch.func.vmap(transform(partial(_network, layers)))
    return lambda: function(points).detach().numpy()


def _hessian(case: Case, chunk_size: int) -> Run:
    layers, points, targets = _given(case)
    w = torch.cat([tensor.ravel() for layer in layers for tensor in layer])
    shapes = [tensor.shape for layer in layers for tensor in layer]

    def error(w: torch.Tensor) -> torch.Tensor:
        parts = [part.view(shape) for part, shape in zip(w.split([s.numel() for s in shapes]), shapes, strict=True)]
        return 0.5 * ((_network(list(zip(parts[::2], parts[1::2], strict=True)), points) - targets) ** 2).sum()

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
