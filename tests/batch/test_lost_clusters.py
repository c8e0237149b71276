"""A cluster of its own, from Dask's command line: its nannies, workers and scheduler are killed under a run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.batch.runs import chunks, descendants, ended, flags, held, log_of, until
from tests.batch.sabotage import environment
from tests.conftest import Files

Process = subprocess.Popen[bytes]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster(port: int, folder: Path, deeds: dict[str, str]) -> Iterator[tuple[Process, list[Process]]]:
    """A scheduler and two workers with a nanny each, all in one process group each."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    dask = [sys.executable, "-m", "distributed.cli.dask_"]
    where = ["--host", "127.0.0.1", "--no-dashboard"]

    def start(program: str, *arguments: str) -> Process:
        command = [*dask[:2], dask[2] + program, *arguments, *where]
        return subprocess.Popen(command, env={**os.environ, **environment(folder, deeds)}, **silent)  # type: ignore[call-overload, no-any-return]

    scheduler = start("scheduler", "--port", str(port))
    workers = [start("worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1") for _ in range(2)]
    try:
        yield scheduler, workers
    finally:
        for process in (scheduler, *workers):
            children = descendants(process.pid)
            for pid in (process.pid, *children):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait(timeout=30)


@pytest.mark.slow
def test_a_run_outlives_a_killed_nanny_and_a_killed_scheduler_that_comes_back(
    files: Files, result: Path, tmp_path: Path
) -> None:
    port = free_port()
    arguments = [*flags(files, tmp_path / "out.zarr"), "--scheduler", f"tcp://127.0.0.1:{port}"]
    with (
        cluster(port, tmp_path, {"jacobian 4": "wait"}) as (scheduler, workers),
        held(arguments, tmp_path, "jacobian 4") as run,
    ):
        workers[0].kill()  # the nanny alone: its worker goes with it
        scheduler.kill()
        until(lambda: any(e["event"] == "cluster lost" for e in log_of(tmp_path / "out.zarr")), run)
    with cluster(port, tmp_path, {}):
        out, err = ended(run, 0)
    assert "verified" in out
    assert "the Dask cluster is lost (the scheduler does not answer). Another is started" in err
    assert chunks(tmp_path / "out.zarr") == chunks(result)


@pytest.mark.slow
def test_a_scheduler_that_does_not_come_back_ends_the_run_as_incomplete(files: Files, tmp_path: Path) -> None:
    port = free_port()
    arguments = [*flags(files, tmp_path / "out.zarr"), "--scheduler", f"tcp://127.0.0.1:{port}"]
    with (
        cluster(port, tmp_path, {"jacobian 4": "wait"}) as (scheduler, _),
        held(arguments, tmp_path, "jacobian 4") as run,
    ):
        scheduler.kill()
    _, err = ended(run, 3)
    assert "the Dask cluster was lost 3 times (scheduler: no Dask scheduler answers at" in err
