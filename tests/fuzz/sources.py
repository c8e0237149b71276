"""Files of networks that are not ONNX: safetensors with a graph or a list of layers, and .keras, each changed."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save

import jachess
from tests.fuzz.mutations import NUMBERS, TEXTS, json_values, mutated
from tests.fuzz.networks import derived
from tests.network.test_keras import ARCHIVE
from tests.network.test_layers import CASES as LISTS
from tests.network.test_layers import of_case
from tests.network.test_onnx import GOOD
from tests.networks import CASES

TENSORS: list[tuple[dict[str, Any], dict[str, Any]]] = []
"""The description of a network, and its tensors."""
MODELS: list[dict[str, bytes]] = []
"""Members of .keras files."""


def prepare(folder: Path) -> None:
    """Saved networks of the tests, and files of Keras."""
    folder.mkdir()
    path = folder / "network.safetensors"
    networks = {case.name.partition(",")[0]: case.network for case in CASES}
    for made in GOOD.values():
        (folder / "model.onnx").write_bytes(made.SerializeToString())
        networks[str(len(networks))] = jachess.read_network(folder / "model.onnx")
    for network in networks.values():
        jachess.save_network(network, path)
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            TENSORS.append((json.loads(file.metadata()["jachess"]), tensors))
    for name, (layers, _, _) in LISTS.items():
        TENSORS.append(({"layers": layers, "kernels": "(out, in)", "input_shape": [4]}, of_case(name, "(out, in)")[1]))
    with zipfile.ZipFile(ARCHIVE) as archive:
        for name in archive.namelist():
            if name.endswith(".keras"):
                with zipfile.ZipFile(io.BytesIO(archive.read(name))) as model:
                    MODELS.append({each: model.read(each) for each in model.namelist()})


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something is in a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(*path, key), *_places(value[key], (*path, key))]]


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@st.composite
def _changed(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value with a few parts replaced, left out, or put elsewhere."""
    made = copy.deepcopy(value)
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        places = _places(made)
        if not places:
            break
        *parents, last = places[draw(st.integers(0, len(places) - 1))]
        parent = _at(made, tuple(parents))
        match draw(st.sampled_from(["number", "text", "other", "other", "remove", "anything"])):
            case "number":
                parent[last] = draw(st.sampled_from([*NUMBERS, *range(-3, 6), 0.5, 1e300]))
            case "text":
                parent[last] = draw(st.sampled_from(TEXTS))
            case "other":
                parent[last] = copy.deepcopy(_at(made, places[draw(st.integers(0, len(places) - 1))]))
            case "remove":
                del parent[last]
            case "anything":
                parent[last] = draw(json_values())
    return made


@st.composite
def _safetensors(draw: st.DrawFn) -> tuple[str, bytes]:
    about, tensors = TENSORS[draw(st.integers(0, len(TENSORS) - 1))]
    given = json.loads(json.dumps(about))
    text = json.dumps(draw(_changed(given)) if draw(st.integers(0, 9)) else given)
    data = save({name: np.array(array, order="C") for name, array in tensors.items()}, {"jachess": text})
    return ".safetensors", draw(mutated(data)) if draw(st.integers(0, 3)) == 0 else data


@st.composite
def _keras(draw: st.DrawFn) -> tuple[str, bytes]:
    members = dict(MODELS[draw(st.integers(0, len(MODELS) - 1))])
    if draw(st.integers(0, 3)):
        members["config.json"] = json.dumps(draw(_changed(json.loads(members["config.json"])))).encode()
    else:
        members["model.weights.h5"] = draw(mutated(members["model.weights.h5"]))
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return ".keras", draw(mutated(data.getvalue())) if draw(st.integers(0, 9)) == 0 else data.getvalue()


def examples() -> st.SearchStrategy[tuple[str, bytes]]:
    """The file's suffix and bytes."""
    return st.one_of(_safetensors(), _keras())


def read(folder: Path, example: tuple[str, bytes]) -> None:
    """The network, and its derivatives at three points if it is small."""
    suffix, data = example
    (folder / f"network{suffix}").write_bytes(data)
    derived(jachess.read_network(folder / f"network{suffix}"))
