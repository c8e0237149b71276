"""A job to be kept up to date, and the command that schedules call."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

WORKFLOWS = Path(__file__).parent.parent.parent / "workflows"
SCHEDULES = WORKFLOWS / "schedules"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What the schedules expect: a job, and a command `jachess`."""
    shutil.copytree(WORKFLOWS / "classifier", tmp_path, dirs_exist_ok=True)
    command = tmp_path / ".venv" / "bin" / "jachess"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m jachess "$@"\n')
    command.chmod(0o755)
    return tmp_path


def loaded(name: str) -> ModuleType:
    """A definition that an engine loads."""
    spec = importlib.util.spec_from_file_location(name, SCHEDULES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
