"""Write torch_models.zip, exported modules with their derivatives: `python -m tests.network.torch_models`.

So that what jachess makes of an export is tested where PyTorch is not installed. Needs torch and onnxscript.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import torch

from jachess.network.sources.pytorch import _exported
from tests.network.kept import packed
from tests.network.test_torch import CASES, POINTS, made, parameters, reference

ARCHIVE = Path(__file__).with_suffix(".zip")


def plain(model: Any) -> bytes:
    """Without what the exporter says of itself."""
    model.graph.ClearField("metadata_props")
    for message in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        message.ClearField("metadata_props")
    return bytes(model.SerializeToString())


def main() -> None:
    """Write the archive."""
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in CASES:
            module = made(name)
            first = {id(p): n for n, p in module.named_parameters()}
            aliases = {n: first[id(p)] for n, p in module.named_parameters(remove_duplicate=False)}
            archive.writestr(f"{name}.onnx", plain(_exported(torch, module, (torch.from_numpy(POINTS),), name)))
            archive.writestr(f"{name}.json", json.dumps(aliases))
            archive.writestr(f"{name}.npz", packed(list(parameters(module)), [POINTS], reference(module)))


if __name__ == "__main__":
    main()
