"""docs/networks.md shows what happens: its Python runs in the folder of the quick-start job."""

from __future__ import annotations

import doctest
import importlib.util
import re
import shutil
from pathlib import Path

import pytest

from jachess.network.sources.activations import ACTIVATIONS
from jachess.network.sources.layer_kinds import KINDS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
NEEDS = {"From PyTorch": ("torch", "onnxscript"), "From scikit-learn": ("sklearn",), "Saving": ("safetensors",)}


def test_python_prints_what_the_document_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "workflows" / "digits", tmp_path / "digits", ignore=shutil.ignore_patterns("*.zarr*"))
    monkeypatch.chdir(tmp_path / "digits")
    blocks: list[str] = []
    for section in TEXT.split("\n## "):
        needed = [package for title, names in NEEDS.items() if section.startswith(title) for package in names]
        if all(importlib.util.find_spec(package) for package in needed):
            blocks += re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names: dict[str, object] = {}
    exec("import jachess\nimport numpy as np", names)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), names, "networks.md", "docs/networks.md", 0)
    assert len(examples.examples) > 5
    failures: list[str] = []
    doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, out=failures.append)
    assert not failures, "".join(failures)


@pytest.mark.parametrize("name", [*ACTIVATIONS, *KINDS, "residual"])
def test_every_layer_is_listed(name: str) -> None:
    assert f"`{name}`" in TEXT
