"""Train the quick-start network and write what the job reads: `digits.onnx`, `points.npy`, `targets.npy`.

    pip install ".[workflows]"
    python workflows/digits/train.py [FOLDER [UNITS ...]]        (default: this script's own folder, 32 hidden units)

The data are the 1,797 handwritten digits that ship with scikit-learn (8 x 8 pixels, 10 classes), so nothing
is downloaded. The network is 64 inputs, 32 tanh units, 10 softmax units: 2,410 weights. Several numbers of units
make as many hidden layers: `FOLDER 256 256 64` is the network of docs/performance.md's record. The weight decay
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

HIDDEN_UNITS = (32,)
WEIGHT_DECAY = 3.0
HELD_OUT = 0.25
SEED = 0


def load_data() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read points (1797, 64), grey levels 0 to 1 in steps of 1/16 (exact in float32), and class numbers."""
    digits = load_digits()
    return (digits.data / 16).astype(np.float32), digits.target.astype(np.int64)


def train(points: NDArray[np.float32], targets: NDArray[np.int64], hidden: tuple[int, ...]) -> MLPClassifier:
    """Train by L-BFGS on the whole batch; one BLAS thread, so that sums round the same way every time."""
    network = MLPClassifier(
        hidden_layer_sizes=hidden,
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
    n_hidden = len(network.coefs_) - 1
    numbers = [""] if n_hidden == 1 else [str(number + 1) for number in range(n_hidden)]
    names = [f"hidden{number}" for number in numbers] + ["output"]
    weights, nodes, z = {}, [], "pixels"
    for name, tensor, bias in zip(names, network.coefs_, network.intercepts_, strict=True):
        weights |= {f"{name}.weight": tensor.T, f"{name}.bias": bias}
        a = "logits" if name == "output" else name.replace("hidden", "a")
        nodes.append(helper.make_node("Gemm", [z, f"{name}.weight", f"{name}.bias"], [a], name, transB=1))
        if name != "output":
            z = name.replace("hidden", "z")
            nodes.append(helper.make_node("Tanh", [a], [z], f"{name}_units"))
    nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], "output_units", axis=1))
    n_inputs, n_outputs = network.coefs_[0].shape[0], network.coefs_[-1].shape[1]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["points", n_inputs])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["points", n_outputs])],
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


def main(folder: Path, hidden: tuple[int, ...]) -> None:
    """Report how the recipe does on digits it has not seen; train on all of them and write the files."""
    points, targets = load_data()
    seen, unseen, seen_targets, unseen_targets = train_test_split(
        points, targets, test_size=HELD_OUT, random_state=SEED, stratify=targets
    )
    trial = train(seen, seen_targets, hidden)
    print(
        f"held out: {trial.score(unseen, unseen_targets):.1%} of {len(unseen)} digits right, "
        f"after training on the other {len(seen)}"
    )

    network = train(points, targets, hidden)
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
    given = sys.argv[1:]
    main(Path(given[0]) if given else Path(__file__).parent, tuple(map(int, given[1:])) or HIDDEN_UNITS)
