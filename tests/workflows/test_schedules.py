"""What starts the command by the clock: timer and cron line as they are, engines where they are installed."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jachess.publish.versions import Versions
from tests.batch.sabotage import environment

WORKFLOWS = Path(__file__).parent.parent.parent / "workflows"
SCHEDULES = WORKFLOWS / "schedules"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What the timer and the cron line expect: a job, and a command `jachess`."""
    shutil.copytree(WORKFLOWS / "classifier", tmp_path, dirs_exist_ok=True)
    command = tmp_path / ".venv" / "bin" / "jachess"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m jachess "$@"\n')
    command.chmod(0o755)
    return tmp_path


def started(file: str, pattern: str, home: Path) -> str:
    """The shell command in a file, with the place of the installation changed."""
    found = re.search(pattern, (SCHEDULES / file).read_text(), re.MULTILINE)
    assert found is not None
    return found[1].replace("/srv/jachess", str(home))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong(home: Path) -> None:
    units = [home / f"jachess-nightly.{kind}" for kind in ("service", "timer")]
    for unit in units:
        unit.write_text((SCHEDULES / unit.name).read_text().replace("/srv/jachess", str(home)))
    done = subprocess.run(["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "pattern"),
    [("jachess-nightly.service", r"^ExecStart=(.*)$"), ("crontab", r"^0 2 \* \* \* +(.*)$")],
    ids=["systemd", "cron"],
)
def test_what_the_clock_starts_publishes(home: Path, file: str, pattern: str) -> None:
    command = started(file, pattern, home)
    for _ in range(2):
        done = subprocess.run(["sh", "-c", command], cwd=home, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    [version] = Versions(str(home / "published")).all()
    assert version.published


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCHEDULES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("default")
def test_dagster_materialises_checks_and_senses(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dagster = pytest.importorskip("dagster")
    monkeypatch.setenv("JACHESS_JOB", str(home / "job.yaml"))
    monkeypatch.setenv("JACHESS_DIR", str(home / "published"))
    module = loaded("dagster_definitions")

    def run() -> tuple[bool, str]:
        done = dagster.materialize([module.derivatives], instance=instance, raise_on_error=False)
        event = done.asset_materializations_for_node("derivatives")[0]
        check = done.get_asset_check_evaluations()[0]
        return check.passed, event.tags["dagster/data_version"]

    def sensed() -> Any:
        return module.network_changed(dagster.build_sensor_context(instance=instance))

    with dagster.DagsterInstance.ephemeral() as instance:
        first, key = run(), sensed().run_key
        assert first == run()
        assert first == (True, Versions(str(home / "published")).published())
        assert sensed().run_key == key
        shutil.copy(WORKFLOWS / "emulator" / "model.onnx", home / "model.onnx")  # another network, with other inputs
        assert sensed().run_key != key
        assert not dagster.materialize([module.derivatives], instance=instance, raise_on_error=False).success
        shutil.copy(WORKFLOWS / "classifier" / "model.onnx", home / "model.onnx")
        (home / "job.yaml").write_text((home / "job.yaml").read_text().replace("outer_product]", "block_diagonal]"))
        for name, value in environment(home, {"gradient 0": "alter"}).items():
            monkeypatch.setenv(name, value)
        passed, version = run()
    assert not passed
    assert version != first[1] == Versions(str(home / "published")).published()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_prefect_publishes_skips_and_alerts(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    utilities = pytest.importorskip("prefect.testing.utilities")
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    module = loaded("prefect_flow")
    job, place = home / "job.yaml", home / "published"
    with utilities.prefect_test_harness(server_startup_timeout=90):
        assert [module.keep_up_to_date(job, place)["changed"] for _ in range(2)] == [True, False]
        for bad in ({"keep": 0}, {"job": home / "absent.yaml"}):
            with pytest.raises(Exception, match="invalid parameters"):
                module.keep_up_to_date(**{"job": job, "place": place, **bad})
        capsys.readouterr()
        job.write_text(job.read_text().replace("outer_product]", "block_diagonal]"))
        for name, value in environment(home, {"gradient 0": "alter"}).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(module.Failed, match="stays published"):
            module.keep_up_to_date(job, place)
        assert "ALERT keep-up-to-date" in capsys.readouterr().err
    assert [version.published for version in Versions(str(place)).all()] == [True, False]
