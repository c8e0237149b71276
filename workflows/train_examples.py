"""Train the networks of the examples and write what their jobs read: ONNX files, points, targets.

    pip install ".[workflows]"
    python workflows/train_examples.py [FOLDER]        (default: this script's own folder)

All data ship with scikit-learn, so nothing is downloaded:

    emulator/       progression of diabetes from 10 measurements of 442 patients: 10 inputs, 12 tanh units, 1 output
    classifier/     cultivar of 178 wines from 13 chemical analyses: 13 inputs, 8 tanh units, 3 softmax units
    autoencoder/    handwritten digits back onto themselves: 64 inputs, 6 tanh units, 64 outputs; its points and targets
                    are those of digits/

Inputs are standardised, but for the digits. One BLAS thread, so that sums round the same way every time.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

Values = NDArray[np.float64]
OPTIONS = {"activation": "tanh", "solver": "lbfgs", "max_iter": 2000, "random_state": 0}


def to_onnx(network: MLPClassifier | MLPRegressor, name: str, softmax: bool) -> onnx.ModelProto:
    """One hidden layer of tanh units, then outputs that are linear or softmax units; weights as (units, inputs)."""
    weights = {}
    for layer, tensor, bias in zip(("hidden", "output"), network.coefs_, network.intercepts_, strict=True):
        weights |= {f"{layer}.weight": tensor.T, f"{layer}.bias": bias}
    nodes = [
        helper.make_node("Gemm", ["x", "hidden.weight", "hidden.bias"], ["a"], "hidden", transB=1),
        helper.make_node("Tanh", ["a"], ["z"], "hidden_units"),
        helper.make_node("Gemm", ["z", "output.weight", "output.bias"], ["logits" if softmax else "y"], transB=1),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["y"], "output_units", axis=1))
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["points", network.coefs_[0].shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["points", network.coefs_[1].shape[1]])],
        [numpy_helper.from_array(np.ascontiguousarray(value, np.float32), key) for key, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def save(folder: Path, model: onnx.ModelProto, **arrays: NDArray[np.generic]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def main(folder: Path) -> None:
    """Train all three."""
    data = load_diabetes(scaled=False)
    points, targets = scale(data.data).astype(np.float32), scale(data.target).astype(np.float32)[:, None]
    emulator = MLPRegressor(hidden_layer_sizes=(12,), alpha=10.0, **OPTIONS).fit(
        points.astype(float), targets[:, 0].astype(float)
    )
    print(f"emulator: explains {emulator.score(points.astype(float), targets):.0%} of the variance it was trained on")
    save(folder / "emulator", to_onnx(emulator, "emulator", False), points=points, targets=targets)

    wines = load_wine()
    points = scale(wines.data).astype(np.float32)
    classifier = MLPClassifier(hidden_layer_sizes=(8,), alpha=1.0, **OPTIONS).fit(points.astype(float), wines.target)
    print(f"classifier: {classifier.score(points, wines.target):.0%} of the wines it was trained on are right")
    save(folder / "classifier", to_onnx(classifier, "classifier", True), points=points,
         targets=wines.target.astype(np.int64))  # fmt: skip

    digits: Values = load_digits().data / 16
    autoencoder = MLPRegressor(hidden_layer_sizes=(6,), alpha=0.1, **OPTIONS).fit(digits, digits)
    error = float(np.mean((autoencoder.predict(digits) - digits) ** 2))
    print(f"autoencoder: mean squared error {error:.4f} (variance of the pixels {digits.var(axis=0).mean():.4f})")
    save(folder / "autoencoder", to_onnx(autoencoder, "autoencoder", False))


if __name__ == "__main__":
    with threadpool_limits(1):
        main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)
