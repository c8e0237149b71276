"""Files that Keras has saved (keras_models.py), read without it: derivatives are those of the model itself."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jachess
from jachess.errors import NetworkError
from tests.network import kept

h5py = pytest.importorskip("h5py")
ARCHIVE = Path(__file__).with_name("keras_models.zip")
NAMES = ("plain", "activations", "piecewise", "graph", "images", "sequences", "embedding", "attention", "single")
ACCURACY = {"single": 1e-6, "piecewise": 1e-7, "attention": 1e-9}
"""What the reference is good for, where that is less."""


def extracted(name: str, folder: Path) -> Path:
    return kept.extracted(ARCHIVE, name, folder)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_keras(name: str, tmp_path: Path) -> None:
    net = jachess.read_network(extracted(f"{name}.keras", tmp_path))
    kept.same_derivatives(net, extracted(f"{name}.npz", tmp_path), ACCURACY.get(name, 1e-11))


def test_names_are_those_of_layers_and_a_frozen_one_is_constant(tmp_path: Path) -> None:
    net = jachess.read_network(extracted("graph.keras", tmp_path))
    names = [weight.name for weight in net.weights]
    assert names[:2] == ["twice/kernel", "twice/bias"]
    assert "inner/deep/kernel" in names
    assert not any(name.startswith("frozen") for name in names)
    chosen = jachess.read_network(tmp_path / "graph.keras", weights=["frozen/kernel"])
    assert [weight.name for weight in chosen.weights] == ["frozen/kernel"]


def test_saved_again_it_is_the_same(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    for name in NAMES:
        net = jachess.read_network(extracted(f"{name}.keras", tmp_path))
        jachess.save_network(net, tmp_path / "saved.safetensors")
        assert jachess.read_network(tmp_path / "saved.safetensors").fingerprint() == net.fingerprint()


Change = Callable[[dict[str, bytes]], Any]


def config_with(change: Callable[[dict[str, Any]], Any], name: str = "plain") -> tuple[str, Change]:
    """A good file with its configuration changed."""

    def write(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        made = change(config)
        members["config.json"] = (made if isinstance(made, str) else json.dumps(config)).encode()

    return name, write


def layer_with(number: int, name: str = "plain", **changes: Any) -> tuple[str, Change]:
    return config_with(lambda config: config["config"]["layers"][number].update(changes), name)


def settings_with(number: int, of: str = "plain", **changes: Any) -> tuple[str, Change]:
    return config_with(lambda config: config["config"]["layers"][number]["config"].update(changes), of)


def variables_with(change: Callable[[Any], Any]) -> tuple[str, Change]:
    """A good file with its variables changed."""

    def write(members: dict[str, bytes]) -> None:
        data = io.BytesIO(members["model.weights.h5"])
        with h5py.File(data, "r+") as file:
            change(file)
        members["model.weights.h5"] = data.getvalue()

    return "plain", write


def replaced(make: Callable[[Any], Any]) -> tuple[str, Change]:
    """With another kernel in the first dense layer."""

    def change(file: Any) -> None:
        group = file["layers/dense/vars"]
        del group["0"]
        make(group)

    return variables_with(change)


def virtual(group: Any) -> None:
    layout = h5py.VirtualLayout((4, 5), "f8")
    layout[...] = h5py.VirtualSource("/etc/passwd", "w", (4, 5))
    group.create_virtual_dataset("0", layout)


def linked(group: Any) -> None:
    group["0"] = h5py.ExternalLink("/etc/passwd", "w")


def outside(group: Any) -> None:
    group.create_dataset("0", (4, 5), "f8", external=[("/etc/passwd", 0, 160)])


def value_of(layer: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, 0]}}


BAD: dict[str, tuple[tuple[str, Change], str]] = {
    "no configuration": (("plain", lambda members: members.pop("config.json")), "wanted one 'config.json'"),
    "no variables": (("plain", lambda members: members.pop("model.weights.h5")), "wanted one 'model.weights.h5'"),
    "variables that are none": (("plain", lambda members: members.update({"model.weights.h5": b"x"})), "no HDF5"),
    "no JSON": (config_with(lambda config: "{"), "no JSON"),
    "deep JSON": (config_with(lambda config: '{"a":' * 100_000), "no JSON"),
    "a list": (config_with(lambda config: "[]"), "wanted a mapping"),
    "foreign code": (layer_with(2, class_name="Lambda"), "'hidden' .Lambda.: is not known"),
    "a layer of somebody": (layer_with(2, module="mine", registered_name="mine>Dense"), "not one of Keras' own"),
    "no model": (config_with(lambda config: config.update(class_name="Dense")), "is no model"),
    "unknown activation": (settings_with(2, activation="mine"), "activation 'mine' is unknown"),
    "activation that is an object": (settings_with(2, activation={"class_name": "Mine"}), "no activation function"),
    "two layers of a name": (settings_with(3, name="hidden"), "two layers have the same name"),
    "control characters": (settings_with(3, name="a\nb"), "a name is no text"),
    "another width": (settings_with(0, batch_shape=[None, 7]), "any number of points"),
    "no fixed shape": (settings_with(0, batch_shape=[None, None]), "not fixed"),
    "vast": (settings_with(0, batch_shape=[None, 2**20, 2**20]), "too large"),
    "no bias, says the configuration": (settings_with(2, use_bias=False), "wanted kernel .got 2."),
    "layers without end": (config_with(lambda config: config["config"].update(layers=[{}] * 3000)), "too large"),
    "called on nothing": (layer_with(1, "graph", inbound_nodes=[{"args": [3], "kwargs": {}}]), "is called on what is"),
    "called on the unmade": (layer_with(1, "graph", inbound_nodes=[{"args": [value_of("twice")], "kwargs": {}}]),
                             "that is never made"),
    "calls of old": (layer_with(1, "graph", inbound_nodes=[[["x", 0, 0, {}]]]), "not as Keras 3 writes them"),
    "attention over other axes": (settings_with(1, "attention", attention_axes=[2]), "'attention_axes' is not supp"),
    "attention with a mask": (layer_with(1, "attention", inbound_nodes=[{"args": [], "kwargs": {"attention_mask": 3}}]),
                              "called with 'attention_mask'"),
    "attention to nothing": (layer_with(1, "attention", inbound_nodes=[{"args": [value_of("x")], "kwargs": {}}]),
                             "wanted queries, values and perhaps keys"),
    "attention of other heads": (settings_with(1, "attention", num_heads=5), "5 heads do not fit"),
    "outputs that are none": (config_with(lambda c: c["config"].update(output_layers=["x", 0, 0]), "graph"),
                              "'x' is never made"),
    "channels first": (settings_with(1, "images", data_format="channels_first"), "'data_format' is not supported"),
    "another number of axes": (layer_with(4, "sequences", build_config={}), "it multiplies matrices"),
    "strides that are none": (settings_with(1, "images", strides=["a", 2]), "'strides' is not 2 whole numbers"),
    "variables missing": (variables_with(lambda file: file.pop("layers/dense")), "'layers/dense.*missing"),
    "a link to another file": (replaced(linked), "a link to elsewhere"),
    "a virtual data set": (replaced(virtual), "not plainly stored"),
    "data in another file": (replaced(outside), "not plainly stored"),
    "compressed variables": (replaced(lambda g: g.create_dataset("0", (4, 5), "f8", compression="gzip")), "not plain"),
    "a variable of text": (replaced(lambda g: g.create_dataset("0", data=b"text")), "not plainly stored"),
    "a variable of other shape": (replaced(lambda g: g.create_dataset("0", data=np.ones((4, 6)))), "any number"),
    "NaN": (replaced(lambda g: g.create_dataset("0", data=np.full((4, 5), np.nan))), "holds NaN"),
    "vast variables": (replaced(lambda g: g.create_dataset("0", (2**20, 2**20), "f8")), "too large"),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), BAD.values(), ids=BAD)
def test_what_is_refused(changed: tuple[str, Change], message: str, tmp_path: Path) -> None:
    name, change = changed
    path = extracted(f"{name}.keras", tmp_path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    with pytest.raises(NetworkError, match=message) as refused:
        jachess.read_network(path)
    assert str(refused.value).startswith(str(path))


def test_archives_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "bad.keras"
    with pytest.raises(NetworkError, match="no such file"):
        jachess.read_network(path)
    path.write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(NetworkError, match=r"no .keras file"):
        jachess.read_network(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 10**7)
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(NetworkError, match="compressed, which Keras never does"):
        jachess.read_network(path)
