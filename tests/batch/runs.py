"""Runs in processes of their own: started, held at a block, looked at, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from jachess.batch.job import Job
from jachess.batch.log import LogTail
from jachess.batch.new_store import create_store
from jachess.batch.partial_sums import begin_partial_sums, end_partial_sums
from jachess.batch.prepare import axis_labels
from jachess.batch.quantities import QUANTITIES
from jachess.batch.quantities.dispatch import read_back_check
from jachess.batch.run import plan_job
from jachess.batch.seal import agreement_of, seal
from jachess.batch.stages import STAGES
from jachess.batch.storage import storage_of
from jachess.batch.store import Store
from jachess.batch.tasks import read_back_blocks, write_blocks
from tests.batch.sabotage import environment
from tests.conftest import Files

Run = subprocess.Popen[str]


def chunks(store: Path) -> dict[str, bytes]:
    """All files of a store but the root's attributes, which hold times."""
    return {
        str(file.relative_to(store)): file.read_bytes()
        for file in sorted(store.rglob("*"))
        if file.is_file() and file != store / "zarr.json"
    }


def log_of(store: Path) -> list[dict[str, Any]]:
    """The lines of a store's log."""
    return LogTail(storage_of(store).log).new()


def flags(files: Files, out: Path, *more: str) -> list[str]:
    """Arguments of the job of `Files`, whose result is that of the fixture `result`."""
    folder = files.folder
    return ["--network", f"{folder}/model.onnx", "--points", f"{folder}/points.npy", "--targets",
            f"{folder}/targets.npy", "--error", "cross-entropy", "--out", str(out), "--workers", "2",
            "--outputs", "--jacobian", "--gradient", "--hessian", *more]  # fmt: skip


@threadpool_limits.wrap(limits=1)
def run_here(job: Job) -> Store:
    """What a run does to the blocks, in this process and one after the other, with one BLAS thread as a worker has."""
    prepared = plan_job(job)
    context, labels = prepared.context(), axis_labels(prepared.plan, prepared.network)
    store = create_store(job.out, prepared.plan, {}, labels)
    begin_partial_sums(store)
    for stage in STAGES[:-1]:
        for name, block in stage.missing(store):
            write_blocks(context, store, name, [block])
    for name, record in ((name, QUANTITIES[name]) for name in prepared.plan.quantities):
        check = read_back_check(record, context, store.read)
        read_back_blocks(check, store, name, range(record.n_blocks(prepared.plan)))
    seal(store, agreement_of(context))
    end_partial_sums(store)
    return store


def start(arguments: list[str], command: str = "run", variables: Mapping[str, str] | None = None) -> Run:
    """A command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "jachess", command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **(variables or {})},
    )


def ended(run: Run, code: int) -> tuple[str, str]:
    """What a command printed (stdout, stderr), once it has ended, with that exit code."""
    out, err = run.communicate(timeout=200)
    assert run.returncode == code, out + err
    assert "Traceback" not in err, err
    return out, err


@contextmanager
def held(arguments: list[str], folder: Path, block: str) -> Iterator[Run]:
    """A run that has reached a block and waits there, until the context ends; then it goes on."""
    for mark in ("reached", "go on"):
        (folder / mark).unlink(missing_ok=True)
    run = start(arguments, variables=environment(folder, {block: "wait"}))
    try:
        until((folder / "reached").exists, run)
        yield run
    except BaseException:
        kill_group(run)
        raise
    finally:
        (folder / "go on").touch()


def until(condition: Callable[[], object], run: Run | None = None, seconds: float = 120) -> None:
    """Wait for a condition, as long as a run is alive."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        assert run is None or run.poll() is None, "".join(run.communicate())
        time.sleep(0.02)


def kill_group(run: Run) -> None:
    """SIGKILL for a run and all that it has started."""
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and those that they have started."""
    parents: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found = list(parents.get(pid, ()))
    for child in found:
        found += parents.get(child, ())
    return found


def workers_of(pid: int) -> list[int]:
    """The worker processes that a process has started."""
    found = []
    for child in descendants(pid):
        try:
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
        except OSError:
            continue
    return found
