"""Pipelines of scikit-learn, as skl2onnx writes them, and the same in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch import nn

from benchmarks.exporters.reference import Array

N_INPUTS = 5
TYPES = {"float": FloatTensorType, "double": DoubleTensorType}
_ACTIVATIONS = {"tanh": nn.Tanh(), "relu": nn.ReLU(), "logistic": nn.Sigmoid(), "identity": nn.Identity()}


def _targets(x: Array) -> dict[str, Array]:
    value = np.stack([x[:, 0] ** 2 + x[:, 1], x[:, 2] * x[:, 3], x[:, 4]], 1)
    return {"one value": value[:, 0], "three values": value, "two classes": value[:, 0] > 1,
            "three classes": value.argmax(1), "three labels": (value > 0).astype(int)}  # fmt: skip


def fitted(name: str) -> tuple[Pipeline, str | None]:
    """A trained pipeline by its name, "activation, scaling, targets", and how its outputs are read."""
    activation, scaling, target = name.split(", ")
    x = np.random.default_rng(0).normal(size=(200, N_INPUTS))
    kind = MLPRegressor if "value" in target else MLPClassifier
    network = kind(hidden_layer_sizes=(6, 4), activation=activation, max_iter=40, random_state=0)
    scalers = {"standardised": [StandardScaler()], "to unit range": [MinMaxScaler()], "unscaled": []}
    ends = {"two classes": "probabilities", "three classes": "probabilities", "three labels": "sigmoids"}
    return make_pipeline(*scalers[scaling], network).fit(x, _targets(x)[target]), ends.get(target)


def write(pipeline: Pipeline, kind: str, path: Path) -> None:
    """Export for points of type float or double."""
    made = to_onnx(pipeline, initial_types=[("X", TYPES[kind]([None, N_INPUTS]))])
    path.write_bytes(made.SerializeToString())


def module(pipeline: Pipeline, kind: str) -> nn.Module:
    """The pipeline in PyTorch, with the constants rounded as the file's."""
    *scalers, network = [step for _, step in pipeline.steps]

    def tensor(array: Any, rounded: bool = kind == "float") -> torch.Tensor:
        return torch.from_numpy(np.asarray(array, np.float32 if rounded else np.float64)).double()

    layers: list[nn.Module] = [_Function(_scaling(scaler, tensor)) for scaler in scalers]
    for number, (coefficients, intercepts) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        linear = nn.Linear(*coefficients.shape).double()
        linear.load_state_dict({"weight": tensor(coefficients.T), "bias": tensor(intercepts)})
        layers += [_ACTIVATIONS[network.activation]] if number else []
        layers.append(linear)
    if isinstance(network, MLPClassifier):
        layers.append(nn.Softmax(1) if network.out_activation_ == "softmax" else nn.Sigmoid())
        if network.n_outputs_ == 1:
            layers.append(_Function(lambda p: torch.cat([1 - p, p], 1)))
    return nn.Sequential(*layers)


class _Function(nn.Module):
    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


def _scaling(scaler: Any, tensor: Callable[..., Any]) -> Callable[[Any], Any]:
    """As skl2onnx writes them: as products, whose factors are rounded."""
    if isinstance(scaler, StandardScaler):
        mean, factor = tensor(scaler.mean_), tensor(1 / scaler.scale_)
        return lambda x: (x - mean) * factor
    scale, least = tensor(scaler.scale_), tensor(scaler.min_)
    return lambda x: x * scale + least


NAMES = [
    *[f"{activation}, standardised, {target}" for activation, target in (
        ("tanh", "one value"), ("relu", "three values"), ("logistic", "two classes"), ("tanh", "three classes"),
        ("relu", "three labels"))],
    *[f"{activation}, to unit range, {target}" for activation, target in (
        ("identity", "three values"), ("tanh", "two classes"), ("logistic", "three classes"))],
    "tanh, unscaled, three labels",
    "logistic, unscaled, three values",
]  # fmt: skip
