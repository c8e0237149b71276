"""docs/results.md shows what happens: its commands and its Python run on the quick-start result."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import jachess
from jachess.cli import main

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def test_commands_print_what_the_document_says(
    quick_start: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(quick_start)
    parts = [part for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL) for part in block.split("$ ")[1:]]
    assert len(parts) == 5
    for part in parts:
        command, _, printed = part.partition("\n")
        program, *arguments = shlex.split(command)
        assert program == "jachess"
        assert main(arguments) == 0
        assert capsysbinary.readouterr().out.decode() == printed


def test_eigenvalues_of_k_classes_stand_apart(quick_start: Path) -> None:
    """K − 1 of them, whose eigenvectors lie in the span of the gradients of the classes; others do not."""
    result = jachess.open_result(quick_start / "workflows" / "digits" / "digits.zarr")
    net, folder = result.network(), quick_start / "workflows" / "digits"
    points, targets = np.load(folder / "points.npy"), np.load(folder / "targets.npy")
    classes = [(points[targets == k], targets[targets == k]) for k in range(10)]
    gradients = np.stack([jachess.gradient(net, *some, error="cross-entropy") for some in classes])
    found = result.hessian.eigenpairs(20)
    shares = ((np.linalg.qr(gradients.T)[0].T @ found.vectors) ** 2).sum(axis=0)
    assert (shares[:9] > 0.75).all()
    assert (shares[9:] < 0.15).all()
    assert found.values[8] > 1.25 * found.values[9]
    assert (found.values[10:-1] < 1.1 * found.values[11:]).all()  # the bulk has no gaps


@pytest.mark.slow
def test_python_prints_what_the_document_says(quick_start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(quick_start)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "results.md", "docs/results.md", 0)
    assert len(examples.examples) > 40
    failures: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(examples, out=failures.append)
    assert not failures, "".join(failures)
