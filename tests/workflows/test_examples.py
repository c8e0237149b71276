"""Jobs that people copy: each runs and is verified."""

from __future__ import annotations

from pathlib import Path

import pytest

import jachess
from jachess.batch.job import load_job

WORKFLOWS = Path(__file__).parent.parent.parent / "workflows"
EXAMPLES = sorted(file.parent.name for file in WORKFLOWS.glob("*/job.yaml") if file.parent.name != "digits")


def test_all_are_here() -> None:
    assert EXAMPLES == ["autoencoder", "classifier", "emulator"]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_verified(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    result = jachess.run(load_job(WORKFLOWS / name / "job.yaml", {"out": str(out), "workers": 1}))
    assert result.verdict is not None
    assert result.verdict.passed, result.verdict.sentence()
