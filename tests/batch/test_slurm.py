"""On a real SLURM: jobs as workers, lost ones replaced, arrays, the driver as a job; the bytes are a local run's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jachess.batch.job import load_job
from jachess.batch.run import run_job
from tests.batch.private_slurm import Slurm, is_installed, private_slurm
from tests.batch.runs import chunks, ended, flags, held, start, until
from tests.conftest import Files
from tests.workflows.conftest import WORKFLOWS, loaded

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not is_installed(), reason="SLURM is not installed")]

CLUSTER = Path(__file__).parent.parent.parent / "cluster"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """What a site says of itself stands in Dask's configuration, or here in the environment."""
    pytest.importorskip("dask_jobqueue")
    folder = tmp_path_factory.mktemp("slurm")
    command = folder / "bin" / "jachess"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m jachess "$@"\n')
    command.chmod(0o755)
    (folder / "home").mkdir()
    with private_slurm(folder / "private") as slurm, pytest.MonkeyPatch.context() as environment:
        environment.setenv("HOME", str(folder / "home"))
        environment.setenv("DASK_CONFIG", str(folder / "home"))
        environment.setenv("DASK_JOBQUEUE__SLURM__QUEUE", "debug")
        environment.setenv("DASK_JOBQUEUE__SLURM__INTERFACE", "lo")
        environment.setenv("JACHESS", str(command))
        environment.setenv("PYTHON", sys.executable)
        environment.setenv("INTERFACE", "lo")
        yield slurm


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM puts the jobs' output where they were submitted."""
    monkeypatch.chdir(tmp_path)


def cluster_file(folder: Path, **changes: str) -> str:
    """The file for SLURM, with less memory, and little patience for lost jobs."""
    text = (CLUSTER / "slurm.yaml").read_text()
    for old, new in {"memory: 2.5GB": "memory: 900MB", "timeout: 60s": "timeout: 2s", **changes}.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "slurm.yaml").write_text(text)
    return str(folder / "slurm.yaml")


def arguments(files: Files, folder: Path, **changes: str) -> list[str]:
    return [*flags(files, folder / "out.zarr"), "--cluster", cluster_file(folder, **changes)]


def test_a_cancelled_job_is_replaced(slurm: Slurm, files: Files, result: Path, tmp_path: Path) -> None:
    with held(arguments(files, tmp_path), tmp_path, "jacobian 4") as run:
        until(lambda: len(slurm.jobs("running")) == 2, run)
        first = set(slurm.jobs())
        slurm.call("scancel", min(first))
        until(lambda: set(slurm.jobs("running")) - first, run)
    out, _ = ended(run, 0)
    assert "verified" in out
    assert chunks(tmp_path / "out.zarr") == chunks(result)
    until(lambda: not slurm.jobs())
    assert not list(Path(os.environ["HOME"]).glob(".jachess-keys-*"))


def test_a_controller_that_is_away_for_a_while(slurm: Slurm, files: Files, result: Path, tmp_path: Path) -> None:
    with held(arguments(files, tmp_path), tmp_path, "jacobian 4") as run:
        until(lambda: len(slurm.jobs("running")) == 2, run)
        first = set(slurm.jobs())
        slurm.call("scancel", min(first))
        slurm.stop("slurmctld")
        time.sleep(25)  # meanwhile the lost job is submitted in vain
        slurm.start_controller()
        until(lambda: set(slurm.jobs("running")) - first, run, seconds=90)
    _, err = ended(run, 0)
    assert "It is tried again in 30 s" in err
    assert chunks(tmp_path / "out.zarr") == chunks(result)


def test_workers_whose_time_is_over(slurm: Slurm, files: Files, result: Path, tmp_path: Path) -> None:
    short = {"--lifetime, 50m": "--lifetime, 5s", "--lifetime-stagger, 5m": "--lifetime-stagger, 1s"}
    with held(arguments(files, tmp_path, **short), tmp_path, "jacobian 4") as run:
        until(lambda: len(slurm.jobs("running")) == 2, run)
        first = set(slurm.jobs())
        until(lambda: set(slurm.jobs("running")) - first, run)
    ended(run, 0)
    assert chunks(tmp_path / "out.zarr") == chunks(result)


def test_workers_that_slurm_kills_at_their_walltime(slurm: Slurm, files: Files, result: Path, tmp_path: Path) -> None:
    """Their lifetime is longer than the shortest walltime there is, so they do not end by themselves."""
    with held(arguments(files, tmp_path, **{"01:00:00": "00:01:00"}), tmp_path, "jacobian 4") as run:
        until(lambda: len(slurm.jobs("running")) == 2, run)
        first = set(slurm.jobs())
        until(lambda: first <= set(slurm.jobs("timeout")), run, seconds=180)
        until(lambda: set(slurm.jobs("running")) - first, run)
    ended(run, 0)
    logs = "".join(file.read_text() for file in tmp_path.glob("*.out"))
    assert logs.count("DUE TO TIME LIMIT") >= 2
    assert chunks(tmp_path / "out.zarr") == chunks(result)


def test_what_slurm_says_of_a_wrong_partition(slurm: Slurm, files: Files, tmp_path: Path) -> None:
    _, err = ended(start(arguments(files, tmp_path, **{"queue: null": "queue: wrong"})), 2)
    assert "SLURM refuses such a job (sbatch: error: invalid partition specified: wrong" in err
    assert not (tmp_path / "out.zarr").exists()


def test_a_check_of_the_cluster(slurm: Slurm, tmp_path: Path) -> None:
    out, _ = ended(start(["check", cluster_file(tmp_path), "--out", str(tmp_path / "out.zarr")], "cluster"), 0)
    assert [line.split()[0] for line in out.splitlines()] == ["workers", "versions", "storage"]
    assert {file.name for file in tmp_path.iterdir() if file.suffix != ".out"} == {"slurm.yaml"}


def test_an_array_with_a_shard_that_fails_and_is_requeued(
    slurm: Slurm, files: Files, result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBATCH_MEM_PER_NODE", "900M")
    command = [str(CLUSTER / "slurm-array.sh"), "3", *flags(files, tmp_path / "out.zarr")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    obstacle = tmp_path / "out.zarr" / "gradient" / "c"
    obstacle.touch()
    until(lambda: any("could not be computed" in file.read_text() for file in tmp_path.glob("jachess-*.log")))
    obstacle.unlink()
    until(lambda: not slurm.jobs(), seconds=200)
    logs = "".join(file.read_text() for file in tmp_path.glob("jachess-*.log"))
    assert "DUE TO JOB REQUEUE" in logs
    assert "verified" in logs
    assert chunks(tmp_path / "out.zarr") == chunks(result)


@pytest.mark.parametrize("script", ["slurm-driver.sh", "allocation.sh"])
def test_the_driver_as_a_job(
    slurm: Slurm, files: Files, result: Path, tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY", "900MB")
    options = {"slurm-driver.sh": ["--mem=900M"], "allocation.sh": ["--ntasks=3", "--mem-per-cpu=900M"]}[script]
    given = flags(files, tmp_path / "out.zarr") if script == "allocation.sh" else arguments(files, tmp_path)
    slurm.call("sbatch", *options, str(CLUSTER / script), *given)
    until(lambda: not slurm.jobs(), seconds=200)
    assert "verified" in "".join(file.read_text() for file in tmp_path.glob("jachess-*.log"))
    assert chunks(tmp_path / "out.zarr") == chunks(result)


@pytest.mark.filterwarnings("default")
def test_the_prefect_flow(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    utilities = pytest.importorskip("prefect.testing.utilities")
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    shutil.copytree(WORKFLOWS / "classifier", tmp_path / "job")
    job, place, before = tmp_path / "job" / "job.yaml", tmp_path / "published", slurm.jobs("all")
    flow = loaded("prefect_flow").keep_up_to_date
    with utilities.prefect_test_harness(server_startup_timeout=90):
        answers = [flow(job, place, cluster_file(tmp_path)) for _ in range(2)]
    assert [(answer["changed"], answer["published"]) for answer in answers] == [(True, True), (False, True)]
    assert len(slurm.jobs("all")) == len(before) + 2
    run_job(load_job(job, {"workers": 1}))
    assert chunks(place / "latest") == chunks(tmp_path / "job" / "classifier.zarr")
