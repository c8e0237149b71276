"""The exporters, each as a function that writes a file."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.exporters.networks import CLASSES, Case
from benchmarks.exporters.reference import Array

N_POINTS = 5


def seeded(case: Case) -> nn.Module:
    """The network with parameters that are all different, and running statistics."""
    torch.manual_seed(1)
    module = copy.deepcopy(case.make()).eval()  # cases may share layers
    for p in module.parameters():
        nn.init.normal_(p, std=0.5)
    for name, buffer in module.named_buffers():
        if name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 2)
        elif name.endswith("running_mean"):
            nn.init.normal_(buffer)
    return module


def points_of(case: Case) -> list[Array]:
    """Some points, one array for each input."""
    random = np.random.default_rng(0)
    return [random.integers(0, CLASSES, N_POINTS) if shape is None else random.normal(size=(N_POINTS, *shape))
            for shape in case.points]  # fmt: skip


def _dynamo(**options: Any) -> Callable[[nn.Module, tuple[Any, ...], Path], None]:
    def write(module: nn.Module, inputs: tuple[Any, ...], path: Path) -> None:
        shapes = tuple({0: "batch"} for _ in inputs)
        with _quiet():
            torch.onnx.export(module, inputs, str(path), dynamo=True, dynamic_shapes=shapes, **options)

    return write


def _legacy(opset: int) -> Callable[[nn.Module, tuple[Any, ...], Path], None]:
    def write(module: nn.Module, inputs: tuple[Any, ...], path: Path) -> None:
        names = [f"x{number}" for number in range(len(inputs))]
        axes = {name: {0: "batch"} for name in [*names, "y"]}
        with _quiet():
            torch.onnx.export(module, inputs, str(path), dynamo=False, opset_version=opset, input_names=names,
                              dynamic_axes=axes)  # fmt: skip

    return write


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
    logging.disable(logging.NOTSET)


EXPORTERS = {
    "dynamo": _dynamo(),
    "dynamo, optimize=False": _dynamo(optimize=False, external_data=False),
    "dynamo, opset 24": _dynamo(opset_version=24),
    "legacy, opset 13": _legacy(13),
    "legacy, opset 17": _legacy(17),
    "legacy, opset 20": _legacy(20),
}
