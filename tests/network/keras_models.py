"""Write keras_models.zip: models saved by Keras, with derivatives by PyTorch; `python -m tests.network.keras_models`.

Needs keras, torch and h5py. The full Hessians are compared here; kept are their products with some random vectors.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jachess
from tests.network.kept import packed

ARCHIVE = Path(__file__).with_suffix(".zip")
N_POINTS = 4
STEP = 1e-5
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "sigmoid", "tanh",
               "softplus", "softsign", "silu", "gelu", "mish", "exponential", "softmax", "log_softmax",
               "linear")  # fmt: skip
PIECEWISE = ("hard_sigmoid", "hard_silu", "relu6")
"""Those of which PyTorch has no second derivatives."""


def models(keras: Any) -> dict[str, Callable[[], Any]]:
    """Every model by name."""
    ops, L, Input = keras, keras.layers, keras.Input

    def plain() -> Any:
        return ops.Sequential([Input((4,)), L.Normalization(mean=[0.25, 0.5, 1.0, -0.5], variance=[1.0, 2.0, 3.0, 4.0]),
                               L.Dense(5, "tanh", name="hidden"), L.Dense(3, "softmax", name="output")])  # fmt: skip

    def activations() -> Any:
        x = Input((3,), name="x")
        return ops.Model(x, [L.Dense(2, name, use_bias=False)(x) for name in ACTIVATIONS])

    def piecewise() -> Any:
        x = Input((3,), name="x")
        return ops.Model(x, [L.Dense(2, name, use_bias=False)(x) for name in PIECEWISE])

    def graph() -> Any:
        """A layer used twice, a nested model, a frozen layer, all that merges."""
        x, twice = Input((4,), name="points"), L.Dense(4, "swish", name="twice")
        inner = ops.Sequential([Input((4,)), L.Dense(4, name="deep"), L.PReLU(), L.Rescaling(0.5, 0.25)], name="inner")
        h = L.LayerNormalization()(L.Concatenate()([twice(twice(x)), x]))
        frozen = L.Dense(4, name="frozen")
        frozen.trainable = False
        h = L.BatchNormalization()(frozen(L.Dropout(0.5)(h)))
        branches = [L.LeakyReLU()(h), L.ELU()(L.Dense(4, use_bias=False)(x)), inner(h)]
        y = [merge()(branches) for merge in (L.Add, L.Multiply, L.Average, L.Maximum, L.Minimum)]
        y = L.Dense(1)(L.Subtract()([L.Concatenate()(y), L.ReLU(max_value=1.5)(L.Concatenate()(y))]))
        return ops.Model(x, [y, L.Dense(1, "sigmoid", name="second")(inner(x))])

    def images() -> Any:
        return ops.Sequential([Input((6, 5, 2)), L.Conv2D(3, 3, strides=2, padding="same", activation="tanh"),
                               L.BatchNormalization(), L.ZeroPadding2D(((1, 0), (0, 1))), L.DepthwiseConv2D(2),
                               L.MaxPooling2D(2, strides=1, padding="same"), L.SeparableConv2D(2, 2, padding="same"),
                               L.AveragePooling2D(2, padding="same"), L.Permute((2, 1, 3)), L.Reshape((-1, 2)),
                               L.GlobalAveragePooling1D(), L.Dense(2)])  # fmt: skip

    def sequences() -> Any:
        return ops.Sequential([Input((5, 2)), L.Conv1D(2, 2, padding="causal"), L.LSTM(2, return_sequences=True),
                               L.Bidirectional(L.GRU(2, return_sequences=True)), L.Dense(2, "tanh"),
                               L.GRU(2, reset_after=False, return_sequences=True), L.Softmax(),
                               L.Bidirectional(L.LSTM(2, return_sequences=True, name="cells"), merge_mode="ave"),
                               L.SimpleRNN(3, go_backwards=True), L.RepeatVector(2), L.Flatten(),
                               L.Dense(2)])  # fmt: skip

    def embedding() -> Any:
        x, number = Input((3,), name="x"), Input((2,), dtype="int32", name="numbers")
        table = L.Flatten()(L.Embedding(4, 2)(number))
        return ops.Model([x, number], L.Dense(2)(L.Dense(3, "gelu")(L.Concatenate()([x, table]))))

    def attention() -> Any:
        """Of several heads, with all ways to be called; of groups of queries; with a scale."""
        x, y = Input((4, 3), name="x"), Input((3, 4), name="y")
        h = L.LayerNormalization()(L.Add()([x, L.MultiHeadAttention(2, 2, name="own")(x, x, use_causal_mask=True)]))
        h = L.MultiHeadAttention(1, 2, value_dim=3, output_shape=4, use_bias=False, name="cross")(h, y, y)
        h = L.MultiHeadAttention(2, 1, name="named")(query=h, value=y, key=L.Dense(4, "tanh")(y))
        h = L.GroupQueryAttention(1, 4, 2, name="groups")(h, y)
        h = L.Attention(use_scale=True, name="plain")([h, y], use_causal_mask=True)
        return ops.Model([x, y], L.Dense(2)(L.GlobalAveragePooling1D()(L.Attention()([h, h]))))

    def single() -> Any:
        """As Keras is by default, in float32."""
        keras.config.set_dtype_policy("float32")
        model = ops.Sequential([Input((3,)), L.Dense(4, "tanh"), L.Dense(2)])
        keras.config.set_dtype_policy("float64")
        return model

    return {
        made.__name__: made
        for made in (plain, activations, piecewise, graph, images, sequences, embedding, attention, single)
    }


def points_of(model: Any) -> list[np.ndarray[Any, Any]]:
    """Some points, one array for each input."""
    random = np.random.default_rng(0)
    return [random.integers(0, 4, (N_POINTS, *i.shape[1:])) if "int" in i.dtype
            else random.normal(size=(N_POINTS, *i.shape[1:])) for i in model.inputs]  # fmt: skip


def reference(model: Any, points: Sequence[Any]) -> dict[str, Any]:
    """Outputs, Jacobian of the first input, gradient and Hessian of half the sum of squares, by PyTorch."""
    import torch

    weights = [v.value.detach().double() for v in model.trainable_variables]
    fixed = [v.value.detach() for v in model.non_trainable_variables]
    first, *others = [torch.from_numpy(x) for x in points]

    def outputs(w: Any, x: Any) -> Any:
        sizes = [v.numel() for v in weights]
        parts = [part.reshape(v.shape) for part, v in zip(torch.split(w, sizes), weights, strict=True)]
        made = model.stateless_call(parts, fixed, [x, *others] if others else x, training=False)[0]
        return torch.cat([y.reshape(len(x), -1) for y in (made if isinstance(made, list) else [made])], 1)

    w = torch.cat([v.ravel() for v in weights])
    y = outputs(w, first).detach()
    targets = torch.from_numpy(np.random.default_rng(1).uniform(size=y.shape))

    def error(w: Any) -> Any:
        return 0.5 * ((outputs(w, first) - targets) ** 2).sum()

    def gradient(w: Any) -> Any:
        return torch.autograd.functional.jacobian(error, w)

    try:
        hessian = torch.autograd.functional.hessian(error, w)
    except RuntimeError:  # a second derivative that PyTorch has not
        steps = STEP * torch.eye(len(w), dtype=w.dtype)
        hessian = torch.stack([(gradient(w + step) - gradient(w - step)) / (2 * STEP) for step in steps])
    rows = torch.autograd.functional.jacobian(lambda x: outputs(w, x).sum(0), first)
    return {"outputs": y, "targets": targets, "jacobian": rows.movedim(0, 1).reshape(*y.shape, -1),
            "gradient": gradient(w), "hessian": hessian}  # fmt: skip


def main() -> int:
    """Write the archive; 1 if a full Hessian disagrees."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    from keras.src.backend.common import dtypes

    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # or Keras multiplies in float32 whatever its weights are
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, make in models(keras).items():
            model, random = make(), np.random.default_rng(2)
            for v in model.variables:
                low = 0.5 if v.path.endswith("variance") else -0.7
                v.assign(random.uniform(low, low + 1.4, v.shape))
            path = Path(folder, f"{name}.keras")
            model.save(path)
            points = points_of(model)
            found = {key: np.asarray(value) for key, value in reference(model, points).items()}
            hessian, net = found["hessian"], jachess.read_network(path)
            given = points if len(points) > 1 else points[0]
            ours = jachess.hessian(net, given, found["targets"], error="sum-of-squares")
            difference = np.abs(ours - hessian).max() / np.abs(hessian).max()
            wrong += not difference < (1e-6 if name in ("single", "piecewise") else 1e-10)
            print(f"{name}: W = {net.n_weights}, Hessian {difference:.0e}, {path.stat().st_size} bytes")
            names = [
                re.sub("[a-z_]+_cell/", "", v.path).removeprefix(f"{model.name}/") for v in model.trainable_variables
            ]
            wrong += names != [weight.name for weight in net.weights]
            archive.writestr(f"{name}.npz", packed(names, points, found))
            archive.write(path, path.name)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
