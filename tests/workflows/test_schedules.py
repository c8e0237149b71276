"""What starts the command by the clock: timer and cron line as they are, manifests against the forms they must have."""

from __future__ import annotations

import copy
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from jachess.publish.versions import Versions
from tests.workflows.conftest import SCHEDULES


def started(file: str, pattern: str, home: Path) -> str:
    """The shell command in a file, with the place of the installation changed."""
    found = re.search(pattern, (SCHEDULES / file).read_text(), re.MULTILINE)
    assert found is not None
    command = shlex.join(yaml.safe_load(found[1])) if found[1].startswith("[") else found[1]
    return command.replace("/srv/jachess", str(home))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong(home: Path) -> None:
    units = [home / f"jachess-nightly.{kind}" for kind in ("service", "timer")]
    for unit in units:
        unit.write_text((SCHEDULES / unit.name).read_text().replace("/srv/jachess", str(home)))
    done = subprocess.run(["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def kubernetes(manifest: dict[str, Any]) -> None:
    """Check against the schema of the newest version that kubernetes-validate knows, unknown keys too."""
    validate = pytest.importorskip("kubernetes_validate")
    validate.validate(manifest, validate.latest_version(), strict=True)


def argo(manifest: dict[str, Any]) -> None:
    """Check against the model made of Argo's API: it drops unknown keys, so nothing may be lost."""
    models = pytest.importorskip("hera.workflows.models")
    model = models.CronWorkflow.model_validate(manifest)
    assert model.model_dump(mode="json", by_alias=True, exclude_unset=True) == manifest


MANIFESTS = {"cronjob.yaml": kubernetes, "argo.yaml": argo}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("file", MANIFESTS)
def test_manifests_have_the_form_of_their_kind(file: str) -> None:
    validate: Callable[[dict[str, Any]], None] = MANIFESTS[file]
    manifest = yaml.safe_load((SCHEDULES / file).read_text())
    validate(manifest)
    for place in ((), ("spec",), ("spec", "workflowSpec" if file == "argo.yaml" else "jobTemplate")):
        for key, value in (("shedule", "0 2 * * *"), ("metadata", 7)):
            wrong = inner = copy.deepcopy(manifest)
            for name in place:
                inner = inner[name]
            inner[key] = value
            with pytest.raises(Exception, match=key):
                validate(wrong)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("jachess-nightly.service", r"^ExecStart=(.*)$"),
        ("crontab", r"^0 2 \* \* \* +(.*)$"),
        ("cronjob.yaml", r"command: (.*)$"),
        ("argo.yaml", r"command: (.*)$"),
    ],
    ids=["systemd", "cron", "kubernetes", "argo"],
)
def test_what_the_clock_starts_publishes(home: Path, file: str, pattern: str) -> None:
    command = started(file, pattern, home)
    where = {**os.environ, "PATH": f"{home / '.venv' / 'bin'}:{os.environ['PATH']}"}
    for _ in range(2):
        done = subprocess.run(["sh", "-c", command], cwd=home, env=where, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    [version] = Versions(str(home / "published")).all()
    assert version.published
