"""Networks saved and read back: the same graph, every weight bit by bit; what is no such file is refused in words."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jachess
from jachess.errors import NetworkError
from jachess.network.graph import Network
from tests import networks
from tests.conftest import Files
from tests.network.test_onnx import GOOD, POINTS, model, saved

safetensors = pytest.importorskip("safetensors.numpy")


def again(network: Network, folder: Path) -> Network:
    jachess.save_network(network, folder / "saved.safetensors")
    return jachess.read_network(folder / "saved.safetensors")


def same(one: Network, other: Network) -> None:
    assert one.fingerprint() == other.fingerprint()
    assert (one.weights, one.inputs, one.output) == (other.weights, other.inputs, other.output)
    assert one.w.tobytes() == other.w.tobytes()


@pytest.mark.parametrize("case", networks.CASES, ids=str)
def test_networks_built_by_hand_come_back(case: networks.Case, tmp_path: Path) -> None:
    same(again(case.network, tmp_path), case.network)


@pytest.mark.parametrize("made", GOOD.values(), ids=GOOD)
def test_networks_of_onnx_files_come_back(made: Any, tmp_path: Path) -> None:
    net = jachess.read_network(saved(made, tmp_path))
    same(again(net, tmp_path), net)


def test_weights_and_input_may_be_chosen_anew(tmp_path: Path) -> None:
    whole = again(jachess.read_network(saved(model(), tmp_path)), tmp_path)
    part = jachess.read_network(tmp_path / "saved.safetensors", weights=["b"], input="x", output=whole.output)
    assert [weight.name for weight in part.weights] == ["b"]
    np.testing.assert_array_equal(jachess.jacobian(part, POINTS), jachess.jacobian(whole, POINTS))
    for keys, message in (
        ({"input": "absent"}, "no floating input"),
        ({"output": "absent"}, "no such floating output"),
    ):
        with pytest.raises(NetworkError, match=message):
            jachess.read_network(tmp_path / "saved.safetensors", **keys)


def test_a_job_takes_a_saved_network(files: Files, tmp_path: Path) -> None:
    network = jachess.read_network(files.folder / "model.onnx")
    jachess.save_network(network, tmp_path / "model.safetensors")
    plan = jachess.plan(files.job(network=str(tmp_path / "model.safetensors")))
    assert plan.fingerprints["network"] == jachess.plan(files.job()).fingerprints["network"]


def graph_with(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """The saved graph, changed."""

    def write(path: Path) -> None:
        jachess.save_network(networks.CASES[0].network, path)
        with safetensors.safe_open(path, framework="numpy") as file:
            graph = json.loads(file.metadata()["jachess"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        made = change(graph)
        text = made if isinstance(made, str) else json.dumps(graph)
        safetensors.save_file(tensors, path, {"jachess": text})

    return write


def first_node(**changes: Any) -> Callable[[Path], None]:
    return graph_with(lambda graph: graph["nodes"][0].update(changes))


def tensors_with(**tensors: Any) -> Callable[[Path], None]:
    return lambda path: safetensors.save_file(tensors, path)


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no file": (lambda path: None, "no such file"),
    "a folder": (lambda path: path.mkdir(), "no such file"),
    "empty": (lambda path: path.write_bytes(b""), "no file of safetensors"),
    "header of 2⁶² bytes": (lambda path: path.write_bytes((2**62).to_bytes(8, "little") + b"{}"), "no file of safet"),
    "tensor past the end": (lambda path: path.write_bytes(
        (59).to_bytes(8, "little") + b'{"w":{"dtype":"F64","shape":[9],"data_offsets":[0,72]}}    '), "no file of"),
    "bare tensors": (tensors_with(w=np.ones(3)), "nothing says what network"),
    "no JSON": (graph_with(lambda graph: "{"), "no JSON"),
    "deep JSON": (graph_with(lambda graph: "[" * 100_000), "no JSON"),
    "a list": (graph_with(lambda graph: "[]"), "wanted a mapping"),
    "another version": (graph_with(lambda graph: graph.update(version=2)), "unknown version"),
    "no nodes": (graph_with(lambda graph: graph.pop("nodes")), "'nodes': is missing"),
    "a weight that is no tensor": (graph_with(lambda graph: graph["weights"].append("w")), "'weights': names are miss"),
    "a weight twice": (graph_with(lambda graph: graph["weights"].append(graph["weights"][0])), "'weights': names are"),
    "impossible input": (graph_with(lambda graph: graph["inputs"][0].update(shape=[-1])), "impossible shape"),
    "vast input": (graph_with(lambda graph: graph["inputs"][0].update(shape=[2**20, 2**20])), "too large"),
    "objects": (graph_with(lambda graph: graph["inputs"][0].update(dtype="object")), "impossible shape or type"),
    "unknown operation": (first_node(operation="Loop"), "'Loop' is unknown"),
    "unknown attribute": (first_node(attributes={"colour": 1}), "unknown attribute 'colour'"),
    "attribute of another kind": (first_node(attributes={"transB": "yes"}), "'transB' has no such value"),
    "missing value": (first_node(inputs=["x", "absent"]), "'absent' before it is made"),
    "value made twice": (first_node(outputs=["x"]), "exists already"),
    "too few inputs": (first_node(inputs=["x"]), "wrong inputs"),
    "no output": (first_node(outputs=[]), "has no output"),
    "control characters": (first_node(name="a\nb"), "a name is no text"),
    "output that is never made": (graph_with(lambda graph: graph.update(output="absent")), "'absent' is never made"),
}  # fmt: skip


@pytest.mark.parametrize(("write", "message"), BAD.values(), ids=BAD)
def test_what_is_refused(write: Callable[[Path], Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    write(path)
    with pytest.raises(NetworkError, match=message) as refused:
        jachess.read_network(path)
    assert str(refused.value).startswith(str(path))


def test_only_safetensors_are_written(tmp_path: Path) -> None:
    network = networks.CASES[0].network
    with pytest.raises(NetworkError, match=r"ends in .safetensors"):
        jachess.save_network(network, tmp_path / "network.onnx")
    with pytest.raises(NetworkError, match="a tensor of the name '__metadata__'"):
        jachess.save_network(replace(network, constants={"__metadata__": np.ones(1)}), tmp_path / "n.safetensors")
    with pytest.raises(NetworkError, match="cannot be written"):
        jachess.save_network(network, tmp_path / "absent" / "network.safetensors")


@pytest.mark.parametrize(("suffix", "package"), [(".safetensors", "safetensors"), (".keras", "h5py")])
def test_a_missing_package_is_asked_for(
    suffix: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(NetworkError, match=rf"network{suffix}: needs {package}. Install it: pip install 'jachess\["):
        jachess.read_network(tmp_path / f"network{suffix}")
