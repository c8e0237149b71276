"""Killed at any moment and started again, a run ends with the same bytes, and leaves nothing else behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.batch.runs import Run, chunks, descendants, ended, flags, kill_group, start, until, workers_of
from tests.batch.sabotage import environment
from tests.conftest import Files

JOB = str(Path(__file__).parent.parent.parent / "workflows" / "digits" / "job.yaml")


def kill_coordinator(run: Run) -> None:
    """The process that people see; all that it has started goes by itself."""
    children = descendants(run.pid)
    run.kill()
    run.communicate(timeout=60)
    until(lambda: not any(map(is_alive, children)))


def kill_worker(run: Run) -> None:
    """One of them, if there are any yet; the run goes on."""
    for worker in workers_of(run.pid)[:1]:
        os.kill(worker, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


STRIKES: list[Callable[[Run], None]] = [kill_worker, kill_group, kill_worker, kill_coordinator]


def run_with_kills(arguments: list[str], n_kills: int, latest: float, seed: int) -> Counter[str]:
    """Start the run, strike at a random moment, again and again, as long as it has not ended; then let it finish."""
    moments, struck, run = random.Random(seed), Counter[str](), start(arguments)
    for number in range(n_kills):
        try:
            run.wait(timeout=moments.uniform(0.3, latest))
        except subprocess.TimeoutExpired:
            strike = STRIKES[number % len(STRIKES)]
            strike(run)
            struck[strike.__name__] += 1
        if run.poll() is not None:
            assert run.returncode in (0, -signal.SIGKILL), run.communicate()
            run.communicate()
            run = start(arguments)
    out, _ = ended(run, 0)
    assert "verified" in out
    return struck


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed") / "out.zarr"
    ended(start([JOB, "--out", str(out), "--workers", "1"]), 0)
    return chunks(out)


@pytest.mark.slow
def test_a_dozen_kills(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    struck = run_with_kills([JOB, "--out", str(tmp_path / "out.zarr"), "--workers", "2"], 12, latest=1.5, seed=0)
    assert struck.total() >= 8
    assert chunks(tmp_path / "out.zarr") == undisturbed
    assert {file.name for file in tmp_path.iterdir()} == {"out.zarr", "out.zarr.log"}


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_write(files: Files, result: Path, tmp_path: Path) -> None:
    """All processes die between the last byte of a chunk's file and its renaming."""
    arguments = flags(files, tmp_path / "out.zarr")
    ended(start(arguments, variables=environment(tmp_path, {"jacobian 4": "tear"})), -signal.SIGKILL)
    assert list((tmp_path / "out.zarr").rglob("*.partial"))
    out, _ = ended(start(arguments), 0)
    assert "blocks: the others were there already" in out
    assert chunks(tmp_path / "out.zarr") == chunks(result)


@pytest.mark.slow
def test_what_a_worker_that_dies_in_a_write_leaves_is_swept(files: Files, result: Path, tmp_path: Path) -> None:
    """The run goes on without it, and writes the same chunk under another name first."""
    run = start(flags(files, tmp_path / "out.zarr"), variables=environment(tmp_path, {"jacobian 4": "break once"}))
    ended(run, 0)
    assert (tmp_path / "jacobian 4 done").exists()
    assert chunks(tmp_path / "out.zarr") == chunks(result)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_kills(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    struck, seed = Counter[str](), 0
    while struck.total() < 100:
        seed += 1
        out = tmp_path / f"{seed}.zarr"
        struck += run_with_kills([JOB, "--out", str(out), "--workers", "2"], 13, latest=9, seed=seed)
        assert chunks(out) == undisturbed
    assert set(struck) == {strike.__name__ for strike in STRIKES}
