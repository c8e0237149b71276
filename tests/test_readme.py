"""What the README shows is what happens, and CI runs what it says."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def transcript() -> list[tuple[str, str]]:
    """Commands of the console block, and what they print."""
    block = re.search(r"```console\n(.*?)```", README, re.DOTALL)
    assert block is not None
    parts = re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def masked(text: str) -> str:
    """Without what differs from machine to machine: seconds, shares of time, and the last word on rounding."""
    text = re.sub(r"in [\d.]+ s$", "in # s", text, flags=re.MULTILINE)
    text = re.sub(r"\d+%", "#%", text)
    return re.sub(r"discrepancy \S+ of", "discrepancy # of", text)


def test_the_transcript_is_true(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "workflows", tmp_path / "workflows", ignore=shutil.ignore_patterns("*.zarr*"))
    for command, printed in transcript():
        program, *arguments = shlex.split(command)
        assert program == ".venv/bin/jachess"
        done = subprocess.run(
            [sys.executable, "-m", "jachess", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=250
        )
        assert done.returncode == 0, done.stderr
        assert masked(done.stdout).replace("python -m jachess", program) == masked(printed)


def test_ci_runs_the_test_line() -> None:
    line = next(line.strip() for line in README.splitlines() if ".venv-test/bin/python -m pytest" in line)
    assert line in (ROOT / ".ci" / "run").read_text().splitlines()


def test_python_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert "Python 3.11 to 3.13" in README
