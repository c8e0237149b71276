"""What PyTorch has exported (torch_models.py), read without it: names, ties and derivatives are its own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import onnx
import pytest

from jachess.network.sources.pytorch import network_of_export
from tests.network import kept

ARCHIVE = Path(__file__).with_name("torch_models.zip")
with zipfile.ZipFile(ARCHIVE) as opened:
    NAMES = [Path(name).stem for name in opened.namelist() if name.endswith(".onnx")]


@pytest.mark.parametrize("name", NAMES)
def test_names_ties_and_derivatives_are_those_of_pytorch(name: str, tmp_path: Path) -> None:
    model = onnx.load(kept.extracted(ARCHIVE, f"{name}.onnx", tmp_path))
    aliases = json.loads(kept.extracted(ARCHIVE, f"{name}.json", tmp_path).read_text(encoding="utf-8"))
    kept.same_derivatives(network_of_export(model, aliases), kept.extracted(ARCHIVE, f"{name}.npz", tmp_path))


def test_a_tie_is_one_weight(tmp_path: Path) -> None:
    """Both uses of the encoder's matrix, and both names of the layer between."""
    model = onnx.load(kept.extracted(ARCHIVE, "tied.onnx", tmp_path))
    aliases = json.loads(kept.extracted(ARCHIVE, "tied.json", tmp_path).read_text(encoding="utf-8"))
    net = network_of_export(model, aliases)
    assert aliases["again.weight"] == "middle.weight"
    assert [weight.name for weight in net.weights] == sorted(set(aliases.values()), key=list(aliases.values()).index)
    for tied in ("encode.weight", "middle.weight"):
        assert sum(tied in node.inputs for node in net.nodes) == 2
