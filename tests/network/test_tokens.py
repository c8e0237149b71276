"""Networks that are fed by whole numbers alone, such as classifiers of token sequences: derivatives by the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import jachess
from jachess.cli import main
from jachess.network.layers import find_layers
from jachess.network.positions import find_positioned

VOCABULARY, TOKENS, WIDTH = 9, 4, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedding, a gated layer at each token and a mean over them; points and targets."""
    made, random = tmp_path_factory.mktemp("tokens"), np.random.default_rng(0)
    shapes = {"table": (VOCABULARY, WIDTH), "mix": (WIDTH, WIDTH), "shift": (WIDTH,), "last": (3, WIDTH)}
    tensors = [numpy_helper.from_array(random.normal(size=shape) / 2, name) for name, shape in shapes.items()]
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"]),
        helper.make_node("MatMul", ["e", "mix"], ["m"]),
        helper.make_node("Add", ["m", "shift"], ["a"]),
        helper.make_node("Tanh", ["a"], ["z"]),
        helper.make_node("Mul", ["z", "e"], ["g"]),
        helper.make_node("ReduceMean", ["g"], ["r"], axes=[1], keepdims=0),
        helper.make_node("Gemm", ["r", "last"], ["y"], transB=1),
    ]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", TOKENS])
    y = helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["n", 3])
    graph = helper.make_graph(nodes, "tokens", [ids], [y], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), made / "net.onnx")
    np.save(made / "points.npy", random.integers(0, VOCABULARY, size=(20, TOKENS)))
    np.save(made / "targets.npy", random.normal(size=(20, 3)))
    return made


def test_the_table_is_a_layer_at_each_token_and_its_hessian_agrees_with_products(folder: Path) -> None:
    network = jachess.read_network(folder / "net.onnx")
    positioned, _ = find_positioned(network, find_layers(network)[1])
    found = [([weight.name for weight in layer.weights], layer.n_positions) for layer in positioned]
    assert found == [(["table"], TOKENS), (["mix", "shift"], TOKENS)]
    points, targets = (np.load(folder / f"{name}.npy") for name in ("points", "targets"))
    hessian = jachess.hessian(network, points, targets, error="sum-of-squares")
    for v in np.random.default_rng(1).normal(size=(3, network.n_weights)):
        product = jachess.hessian_vector_product(network, points, targets, v, error="sum-of-squares")
        np.testing.assert_allclose(hessian @ v, product, rtol=1e-12, atol=1e-12 * np.abs(product).max())


def test_a_job_is_verified_and_one_for_the_jacobian_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [f"--{key}={folder / name}" for key, name in
             (("network", "net.onnx"), ("points", "points.npy"), ("targets", "targets.npy"))]  # fmt: skip
    given = ["run", *files, "--hessian", "--error=sum-of-squares", "--workers=1"]
    assert main([*given, "--jacobian", f"--out={folder / 'refused.zarr'}"]) == 2
    assert "'ids' holds whole numbers" in capsys.readouterr().err
    assert not (folder / "refused.zarr").exists()
    assert main([*given, f"--out={folder / 'out.zarr'}"]) == 0
    with pytest.raises(jachess.JachessError, match="whole numbers"):
        jachess.jacobian(jachess.read_network(folder / "net.onnx"), np.load(folder / "points.npy"))
