"""Train the quick-start network and write what the job reads: `digits.onnx`, `points.npy`, `targets.npy`.

    pip install ".[workflows]"
    python workflows/digits/train.py [FOLDER]        (default: this script's own folder)

The data are the 1,797 handwritten digits that ship with scikit-learn (8 x 8 pixels, 10 classes), so nothing
is downloaded. The network is 64 inputs, 32 tanh units, 10 softmax units: 2,410 weights. The weight decay
keeps the softmax from saturating: where it saturates, the derivatives are almost all zero.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

HIDDEN_UNITS = 32
WEIGHT_DECAY = 3.0
HELD_OUT = 0.25
SEED = 0


def load_data() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read points (1797, 64), grey levels 0 to 1 in steps of 1/16 (exact in float32), and class numbers."""
    digits = load_digits()
    return (digits.data / 16).astype(np.float32), digits.target.astype(np.int64)


def train(points: NDArray[np.float32], targets: NDArray[np.int64]) -> MLPClassifier:
    """Train by L-BFGS on the whole batch; one BLAS thread, so that sums round the same way every time."""
    network = MLPClassifier(
        hidden_layer_sizes=(HIDDEN_UNITS,),
        activation="tanh",
        solver="lbfgs",
        alpha=WEIGHT_DECAY,
        max_iter=1000,
        random_state=SEED,
    )
    with threadpool_limits(1):
        return network.fit(points.astype(np.float64), targets)


def to_onnx(network: MLPClassifier) -> onnx.ModelProto:
    """Write each layer as a Gemm node, its weights as (units, inputs), with the number of points left free."""
    (hidden, output), (hidden_bias, output_bias) = network.coefs_, network.intercepts_
    weights = {
        "hidden.weight": hidden.T,
        "hidden.bias": hidden_bias,
        "output.weight": output.T,
        "output.bias": output_bias,
    }
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["pixels", "hidden.weight", "hidden.bias"], ["a"], "hidden", transB=1),
            helper.make_node("Tanh", ["a"], ["z"], "hidden_units"),
            helper.make_node("Gemm", ["z", "output.weight", "output.bias"], ["logits"], "output", transB=1),
            helper.make_node("Softmax", ["logits"], ["probabilities"], "output_units", axis=1),
        ],
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["points", hidden.shape[0]])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["points", output.shape[1]])],
        [
            numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float32), name)
            for name, values in weights.items()
        ],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
        producer_name="workflows/digits/train.py",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main(folder: Path) -> None:
    """Report how the recipe does on digits it has not seen; train on all of them and write the files."""
    points, targets = load_data()
    seen, unseen, seen_targets, unseen_targets = train_test_split(
        points, targets, test_size=HELD_OUT, random_state=SEED, stratify=targets
    )
    trial = train(seen, seen_targets)
    print(
        f"held out: {trial.score(unseen, unseen_targets):.1%} of {len(unseen)} digits right, "
        f"after training on the other {len(seen)}"
    )

    network = train(points, targets)
    n_weights = sum(tensor.size for tensor in (*network.coefs_, *network.intercepts_))
    print(
        f"shipped:  {n_weights:,} weights, trained on all {len(points):,} digits "
        f"({network.score(points, targets):.1%} of them right: seen in training, so no measure of quality)"
    )

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "digits.onnx").write_bytes(to_onnx(network).SerializeToString(deterministic=True))
    np.save(folder / "points.npy", points)
    np.save(folder / "targets.npy", targets)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
