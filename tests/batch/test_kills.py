"""Killed at any moment and started again, a run ends with the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Files

WORKFLOWS = Path(__file__).parent.parent.parent / "workflows"


def chunks(store: Path) -> dict[str, bytes]:
    """All files of a store but the root's attributes, which hold times."""
    return {
        str(file.relative_to(store)): file.read_bytes()
        for file in sorted(store.rglob("*"))
        if file.is_file() and file != store / "zarr.json"
    }


def start(arguments: list[str]) -> subprocess.Popen[str]:
    """A run in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "jachess", "run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def worker_of(run: subprocess.Popen[str]) -> int | None:
    """One of the processes that the run started for its workers, if there are any yet."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == run.pid and b"spawn_main" in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
        except (OSError, IndexError):
            continue
    return random.choice(found) if found else None


def strike(run: subprocess.Popen[str], whom: str) -> None:
    """Kill the whole group, the coordinator alone, or one worker."""
    if whom == "group":
        os.killpg(run.pid, signal.SIGKILL)
    elif whom == "coordinator":
        run.kill()
    elif (worker := worker_of(run)) is not None:
        os.kill(worker, signal.SIGKILL)


def run_with_kills(arguments: list[str], n_kills: int, latest: float) -> None:
    """Start the run, strike at a random moment, again and again; then let it finish."""
    struck = 0
    while struck < n_kills:
        run = start(arguments)
        try:
            run.communicate(timeout=random.uniform(0.5, latest))
            if run.returncode == 0:
                break
        except subprocess.TimeoutExpired:
            whom = ("group", "coordinator", "worker")[struck % 3]
            strike(run, whom)
            struck += 1
            if whom == "worker":
                time.sleep(random.uniform(0, 1))
                strike(run, "group")
            run.communicate(timeout=60)
    last = start(arguments)
    out, err = last.communicate(timeout=200)
    assert last.returncode == 0, out + err
    assert "verified" in out


def test_a_killed_run_resumes_to_the_same_bytes(files: Files, result: Path, tmp_path: Path) -> None:
    folder = files.folder
    arguments = ["--network", f"{folder}/model.onnx", "--points", f"{folder}/points.npy", "--targets",
                 f"{folder}/targets.npy", "--error", "cross-entropy", "--out", f"{tmp_path}/out.zarr", "--workers", "2",
                 "--outputs", "--jacobian", "--gradient", "--hessian"]  # fmt: skip
    run_with_kills(arguments, 6, latest=4)
    assert chunks(tmp_path / "out.zarr") == chunks(result)
    assert {file.name for file in tmp_path.iterdir()} == {"out.zarr"}


def test_a_killed_worker_is_replaced(files: Files, tmp_path: Path) -> None:
    run = start([str(WORKFLOWS / "digits" / "job.yaml"), "--out", str(tmp_path / "out.zarr"), "--workers", "2"])
    deadline = time.monotonic() + 30
    while not (tmp_path / "out.zarr" / "jacobian_residual" / "c").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    worker = worker_of(run)
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    out, err = run.communicate(timeout=200)
    assert run.returncode == 0, out + err
    assert "verified" in out


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills(tmp_path: Path) -> None:
    job = str(WORKFLOWS / "digits" / "job.yaml")
    undisturbed = start([job, "--out", str(tmp_path / "undisturbed.zarr"), "--workers", "1"])
    assert undisturbed.communicate(timeout=200)
    kills = 0
    for number in range(8):
        out = tmp_path / f"killed{number}.zarr"
        run_with_kills([job, "--out", str(out), "--workers", "2"], 7, latest=9)
        kills += 7
        assert chunks(out) == chunks(tmp_path / "undisturbed.zarr")
    assert kills >= 50
