"""Shards as an Indexed Job of Kubernetes: the manifest has the form it must have, and its commands make the result."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from jachess.batch.job import load_job
from jachess.batch.run import run_job
from tests.batch.runs import chunks
from tests.workflows.conftest import WORKFLOWS

STEPS: list[dict[str, Any]] = list(yaml.safe_load_all(Path("cluster/manifests/shards.yaml").read_text()))


def container(step: dict[str, Any]) -> dict[str, Any]:
    [only] = step["spec"]["template"]["spec"]["containers"]
    return dict(only)


@pytest.mark.filterwarnings("default")
def test_they_have_the_form_of_jobs() -> None:
    kubernetes = pytest.importorskip("kubernetes_validate")
    for step in STEPS:
        kubernetes.validate(step, kubernetes.latest_version(), strict=True)
        wrong = copy.deepcopy(step)
        wrong["spec"]["template"]["spec"]["container"] = []
        with pytest.raises(kubernetes.ValidationError, match="container"):
            kubernetes.validate(wrong, kubernetes.latest_version(), strict=True)


def test_its_indices_are_the_shards() -> None:
    plan, shards, finalize = STEPS
    assert [step["metadata"]["labels"]["step"] for step in STEPS] == ["plan", "shards", "finalize"]
    assert container(plan)["command"][-2:] == ["--shards", str(shards["spec"]["completions"])]
    assert shards["spec"]["completionMode"] == "Indexed"
    assert container(finalize)["command"][1] == "finalize"


@pytest.mark.slow
def test_its_commands_make_the_result(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    where = {**os.environ, "PATH": f"{home / '.venv' / 'bin'}:{os.environ['PATH']}"}
    for step in STEPS:
        for index in range(step["spec"].get("completions", 1)):
            indexed = {**where, "JOB_COMPLETION_INDEX": str(index)}
            command = container(step)["command"]
            done = subprocess.run(command, cwd=home, env=indexed, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr
    assert "verified" in done.stdout
    local = tmp_path_factory.mktemp("local") / "job"
    shutil.copytree(WORKFLOWS / "classifier", local)
    run_job(load_job(local / "job.yaml", {"workers": 1}))
    assert chunks(home / "classifier.zarr") == chunks(local / "classifier.zarr")
