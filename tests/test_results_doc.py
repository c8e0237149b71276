"""docs/results.md shows what happens: its commands and its Python run on the quick-start result."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest

from jachess.batch.job import load_job
from jachess.batch.run import run_job
from jachess.cli import main

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def quick_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the quick-start job has run."""
    folder = tmp_path_factory.mktemp("quick-start")
    shutil.copytree(ROOT / "workflows", folder / "workflows", ignore=shutil.ignore_patterns("*.zarr*"))
    run_job(load_job(folder / "workflows" / "digits" / "job.yaml", {"workers": 2}))
    return folder


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


def test_python_prints_what_the_document_says(quick_start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(quick_start)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "results.md", "docs/results.md", 0)
    assert len(examples.examples) > 40
    failures: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(examples, out=failures.append)
    assert not failures, "".join(failures)
