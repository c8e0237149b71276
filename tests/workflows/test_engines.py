"""Engines that call the command, where they are installed: here, or as programs of an environment of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jachess.publish.versions import Versions
from tests.batch.sabotage import environment
from tests.workflows.conftest import SCHEDULES, WORKFLOWS, loaded


@pytest.mark.slow
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


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not on the PATH")


def called(home: Path, *command: str, **variables: str) -> tuple[int, str]:
    """Exit code and output of a program that finds `jachess` in the home."""
    path = f"{home / '.venv' / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(command, cwd=home, env={**os.environ, "PATH": path, **variables}, text=True, timeout=200,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    return done.returncode, done.stdout


def snakemake(home: Path) -> Callable[..., tuple[int, str]]:
    command = ["snakemake", "--cores", "2", "--snakefile", str(SCHEDULES / "Snakefile")]
    return lambda *more: called(home, *command, *more)


def airflow(home: Path) -> Callable[..., tuple[int, str]]:
    """A run of the DAG, in a home and a database of its own; it waits a second where the DAG waits minutes."""
    (home / "dags").mkdir()
    text = (
        (SCHEDULES / "airflow_dag.py").read_text().replace("/srv/jachess", str(home)).replace("minutes=5", "seconds=1")
    )
    (home / "dags" / "airflow_dag.py").write_text(text)
    settings = {"LOAD_EXAMPLES": "False", "DAGS_FOLDER": str(home / "dags"), "UNIT_TEST_MODE": "False"}
    variables = {f"AIRFLOW__CORE__{name}": value for name, value in settings.items()}
    variables |= {"AIRFLOW_HOME": str(home / "airflow"), "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False"}
    code, printed = called(home, "airflow", "db", "migrate", **variables)
    assert code == 0, printed
    code, printed = called(home, "airflow", "dags", "list-import-errors", "--local", **variables)
    assert (code, "No data found" in printed) == (0, True), printed
    return lambda *more: called(home, "airflow", "dags", "test", "jachess_nightly", *more, **variables)


def answers(printed: str) -> list[dict[str, Any]]:
    """The command's JSON lines among what an engine prints."""
    return [json.loads(line) for line in printed.splitlines() if line.startswith(('{"version"', '{"problems"'))]


@pytest.mark.slow
@needs("snakemake")
def test_snakemake_publishes_when_something_is_newer(home: Path) -> None:
    run = snakemake(home)
    code, printed = run()
    assert (code, [answer["changed"] for answer in answers(printed)]) == (0, [True]), printed
    code, printed = run()
    assert (code, "Nothing to be done" in printed) == (0, True), printed
    code, printed = run("--forcerun", "publish")
    assert (code, [answer["changed"] for answer in answers(printed)]) == (0, [False]), printed
    assert json.loads((home / "published.json").read_text())["published"]
    (home / "job.yaml").write_text((home / "job.yaml").read_text().replace("cross-entropy", "colour"))
    code, printed = run("--retries", "1")
    assert code == 1
    assert "non-zero exit status 2" in printed
    assert len(answers(printed)) == 2
    assert not (home / "published.json").exists()
    assert len(Versions(str(home / "published")).all()) == 1


@pytest.mark.slow
@needs("airflow")
def test_airflow_publishes_and_tries_again_only_what_is_incomplete(home: Path) -> None:
    run = airflow(home)
    for changed in (True, False):
        code, printed = run()
        assert (code, [answer["changed"] for answer in answers(printed)]) == (0, [changed]), printed
    lease = home / "published" / "latest.lock"
    lease.write_text(json.dumps({"host": "elsewhere", "pid": 1, "boot": "x", "started": "y"}))
    code, printed = run()
    assert (code, printed.count("starting task_id=publish")) == (1, 4), printed
    lease.unlink()
    (home / "job.yaml").write_text((home / "job.yaml").read_text().replace("cross-entropy", "colour"))
    code, printed = run()
    assert (code, printed.count("starting task_id=publish")) == (1, 1), printed
    assert "AirflowFailException: jachess: job.yaml: 'error' is wrong" in printed
    assert [version.published for version in Versions(str(home / "published")).all()] == [True]
