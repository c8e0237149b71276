"""Lists of layers over flat parameters: the same derivatives as the ONNX model of the same network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import jachess
from jachess.backprop.propagation import outputs
from jachess.errors import NetworkError
from jachess.network.graph import Array, Network
from jachess.network.sources.activations import ACTIVATIONS
from tests.network.test_onnx import HIDDEN, NUMBERS, OUTPUT, POINTS, model, saved

RANDOM = np.random.default_rng(5)
VECTORS = {name: RANDOM.uniform(0.5, 1.5, size=6).astype(np.float32) for name in ("scale", "shift", "mean", "variance")}
SQUARE = {"S": RANDOM.normal(size=(6, 6)).astype(np.float32)}
FIRST, LAST = ["dense", "A", "a"], ["dense", "B", "b"]


def node(operation: str, *inputs: str, output: str = "z", **attributes: Any) -> Any:
    return helper.make_node(operation, list(inputs), [output], **attributes)


CASES: dict[str, tuple[list[Any], list[Any], dict[str, Array]]] = {
    "one hidden layer": ([FIRST, "tanh", LAST], [*HIDDEN, OUTPUT], {}),
    "no bias": ([["dense", "A"], "tanh", LAST], [node("Gemm", "x", "A", output="h", transB=1), HIDDEN[1], OUTPUT], {}),
    "probabilities": ([FIRST, "tanh", LAST, "softmax"], [*HIDDEN, node("Gemm", "z", "B", "b", output="l", transB=1),
                                                         node("Softmax", "l", output="y", axis=-1)], {}),
    "normalised": ([FIRST, ["layer_norm", "scale", "shift", {"epsilon": 0.5}], "tanh", LAST],
                   [HIDDEN[0], node("LayerNormalization", "h", "scale", "shift", output="n", epsilon=0.5),
                    node("Tanh", "n"), OUTPUT], VECTORS),
    "by running statistics": ([FIRST, ["batch_norm", "scale", "shift", "mean", "variance", {"epsilon": 0.5}], LAST],
                              [HIDDEN[0], node("BatchNormalization", "h", "scale", "shift", "mean", "variance",
                                               epsilon=0.5), OUTPUT], VECTORS),
    "a layer twice, once past": ([FIRST, ["residual", [["dense", "S"], "tanh"]], ["dense", "S"], LAST],
                                 [HIDDEN[0], node("Gemm", "h", "S", output="s", transB=1),
                                  node("Tanh", "s", output="t"),
                                  node("Add", "h", "t", output="r"), node("Gemm", "r", "S", transB=1), OUTPUT], SQUARE),
    "standardised": ([FIRST, ["standardise", "mean", "variance"], LAST],
                     [HIDDEN[0], node("Sub", "h", "mean", output="c"), node("Div", "c", "variance"), OUTPUT], VECTORS),
}  # fmt: skip


def of_case(name: str, kernels: str) -> tuple[Network, dict[str, Array]]:
    layers, _, more = CASES[name]
    given = {n: array for n, array in {**NUMBERS, **more}.items() if any(n in str(layer) for layer in layers)}
    turned = {n: array.T if array.ndim == 2 and kernels == "(in, out)" else array for n, array in given.items()}
    used = {n: array for n, array in turned.items() if f"'{n}'" in str(layers)}
    return jachess.from_layers(layers, used, kernels=kernels), used


@pytest.mark.parametrize("kernels", ["(in, out)", "(out, in)"])
@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_those_of_the_onnx_model(name: str, kernels: str, tmp_path: Path) -> None:
    net, parameters = of_case(name, kernels)
    names = [weight.name for weight in net.weights]
    assert names == [n for n in parameters if n not in ("mean", "variance")]
    exported = jachess.read_network(saved(model(CASES[name][1], CASES[name][2]), tmp_path), weights=names)
    places = {w.name: np.arange(w.size).reshape(w.shape) + w.offset for w in exported.weights}
    turn = kernels == "(in, out)"
    order = np.concatenate([(places[n].T if turn else places[n]).ravel() for n in names])
    targets = RANDOM.uniform(size=(len(POINTS), 3))
    ours, theirs = (
        (
            outputs(n, (POINTS,)),
            jachess.jacobian(n, POINTS),
            jachess.gradient(n, POINTS, targets, error="sum-of-squares"),
            jachess.hessian(n, POINTS, targets, error="sum-of-squares"),
        )
        for n in (net, exported)
    )
    for found, wanted in zip(ours, (*theirs[:2], theirs[2][order], theirs[3][np.ix_(order, order)]), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_function_is_known(name: str) -> None:
    net = jachess.from_layers([["dense", "A", "a"], name, ["dense", "B", "b"]], NUMBERS, kernels="(out, in)")
    operations = [n.operation for n in net.nodes]
    assert operations == ["Gemm", *([ACTIVATIONS[name][0]] if name != "identity" else []), "Gemm"]


def test_layers_over_several_axes() -> None:
    """Each step through the same layer, then flattened."""
    given = {"k": RANDOM.normal(size=(2, 3)), "b": RANDOM.normal(size=3), "o": RANDOM.normal(size=(6, 1))}
    layers = [["reshape", {"shape": [2, 2]}], ["dense", "k", "b"], "tanh", "flatten", ["dense", "o"]]
    net = jachess.from_layers(layers, given, kernels="(in, out)", input_shape=[4])
    wanted = np.tanh(POINTS.reshape(-1, 2, 2) @ given["k"] + given["b"]).reshape(-1, 6) @ given["o"]
    np.testing.assert_allclose(outputs(net, (POINTS,)), wanted, rtol=1e-13)


@pytest.mark.parametrize("beside", [False, True])
def test_a_file_of_tensors_with_a_list_of_layers(beside: bool, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    about = json.dumps({"layers": [FIRST, "tanh", LAST], "kernels": "(out, in)"})
    safetensors.save_file(NUMBERS, tmp_path / "net.safetensors", None if beside else {"jachess": about})
    if beside:
        (tmp_path / "net.json").write_text(about)
    net = jachess.read_network(tmp_path / "net.safetensors")
    wanted = jachess.read_network(saved(model(), tmp_path))
    np.testing.assert_allclose(jachess.jacobian(net, POINTS), jachess.jacobian(wanted, POINTS), rtol=1e-12)


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "no list": (lambda: "tanh", "wanted a list of layers"),
    "no layer": (lambda: [3], "wanted the name of a layer"),
    "unknown kind": (lambda: [["convolution", "A"]], "no such kind"),
    "unknown activation": (lambda: [FIRST, "tan", LAST], "layer 1: activation 'tan' is unknown"),
    "unknown option": (lambda: [FIRST, ["elu", {"slope": 1}], LAST], "layer 1: elu: has no option 'slope'"),
    "option of another kind": (lambda: [FIRST, ["elu", {"alpha": "1"}], LAST], "alpha has no such value"),
    "missing option": (lambda: [FIRST, ["layer_norm", "a"], LAST], "give its epsilon"),
    "missing parameter": (lambda: [["dense", "A", "c"], LAST], "'c': is missing"),
    "unused parameter": (lambda: [FIRST, "tanh"], "no layer uses 'B', 'b'"),
    "too many names": (lambda: [["dense", "A", "a", "b"], LAST], "wrong parameters"),
    "other widths": (lambda: [["dense", "A", "b"], LAST], "its shape does not fit"),
    "layers that do not fit": (lambda: [LAST, FIRST], "any number of points"),
    "residual without layers": (lambda: [FIRST, "residual", LAST], "wanted one list of layers"),
    "without end": (lambda: [FIRST, nested(30), LAST], "at most 20 within each other"),
}  # fmt: skip


def nested(depth: int) -> list[Any]:
    return ["residual", [nested(depth - 1) if depth else "tanh"]]


@pytest.mark.parametrize(("layers", "message"), BAD.values(), ids=BAD)
def test_what_is_refused(layers: Callable[[], Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        jachess.from_layers(layers(), NUMBERS, kernels="(out, in)", input_shape=[4])


@pytest.mark.parametrize(
    ("keys", "parameters", "message"),
    [
        ({"kernels": "in"}, NUMBERS, "kernels: wanted"),
        ({"kernels": "(out, in)", "input_shape": [-4]}, NUMBERS, "input_shape: wanted sizes"),
        ({"kernels": "(out, in)"}, {**NUMBERS, "a": np.array(["text"] * 6)}, "is not supported"),
        ({"kernels": "(out, in)"}, {**NUMBERS, "a": np.full(6, np.nan)}, "holds NaN"),
        ({"kernels": "(out, in)"}, {**NUMBERS, "a": np.full(6, np.inf)}, "infinite"),
        ({"kernels": "(out, in)"}, {**NUMBERS, "a": np.full(6, 1)}, "wanted floating numbers"),
    ],
)
def test_what_else_is_refused(keys: dict[str, Any], parameters: dict[str, Array], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        jachess.from_layers([FIRST, "tanh", LAST], parameters, **keys)


def test_the_shape_of_points_is_asked_for_where_it_cannot_be_told() -> None:
    with pytest.raises(NetworkError, match="input_shape: cannot be told"):
        jachess.from_layers(["flatten", FIRST, LAST], NUMBERS, kernels="(out, in)")
