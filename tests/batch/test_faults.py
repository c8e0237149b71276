"""Workers that die, hang or fill the memory; blocks that kill; disks that fill up; files that change."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jachess.batch.run import run_job
from jachess.batch.stages import COMPUTE
from jachess.batch.store import Store
from jachess.errors import IncompleteError
from tests.batch.runs import chunks, ended, flags, held, log_of, start
from tests.batch.sabotage import sabotaged
from tests.conftest import Files


def events(store: Path, name: str) -> list[dict[str, object]]:
    return [entry for entry in log_of(store) if entry["event"] == name]


@pytest.mark.slow
def test_blocks_that_kill_their_worker_are_given_up_and_their_neighbours_are_not(
    files: Files, result: Path, tmp_path: Path
) -> None:
    """One block kills its worker, another fills its memory until the nanny does."""
    job = replace(files.job(), out=str(tmp_path / "out.zarr"))
    with (
        sabotaged(tmp_path, {"jacobian 3": "die", "outputs 2": "hog"}),
        pytest.raises(IncompleteError, match="2 blocks are missing") as stopped,
    ):
        run_job(job)
    assert re.search("jacobian, points 75 to 99: its worker .* died", str(stopped.value))
    assert re.search("outputs, points 50 to 74: its worker .* was killed because it took .* MiB", str(stopped.value))
    assert set(COMPUTE.missing(Store(tmp_path / "out.zarr"))) == {("jacobian", 3), ("outputs", 2)}
    assert run_job(job).n_computed == 2
    assert chunks(tmp_path / "out.zarr") == chunks(result)


@pytest.mark.slow
def test_workers_that_hang_are_found_named_and_replaced(
    files: Files, result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process that is stopped, and a task that never ends in a process that is well."""
    job = replace(files.job(), out=str(tmp_path / "out.zarr"), patience=2.0)
    with sabotaged(tmp_path, {"jacobian 3": "stop once", "outputs 2": "hang once"}):
        outcome = run_job(job)
    assert outcome.verdict.passed
    assert outcome.tally.retries >= 2
    assert chunks(tmp_path / "out.zarr") == chunks(result)
    hung = {(entry["quantity"], *entry["blocks"]): entry["worker"] for entry in events(tmp_path / "out.zarr", "hangs")}
    assert set(hung) == {("jacobian", 3), ("outputs", 2)}
    said = capsys.readouterr().err
    for worker in hung.values():
        assert f"{worker}: hangs at" in said
    assert "hangs at jacobian, points 75 to 99" in said


@pytest.mark.slow
def test_points_that_change_while_a_run_is_at_work_spoil_nothing(files: Files, result: Path, tmp_path: Path) -> None:
    """Blocks computed from a changed file are not kept: put back, it gives the same bytes as ever."""
    job = Path(shutil.copytree(files.folder, tmp_path / "job", ignore=shutil.ignore_patterns("*.zarr*")))
    arguments = flags(replace(files, folder=job), tmp_path / "out.zarr")
    with held(arguments, tmp_path, "jacobian 4") as run:
        changed = np.load(job / "points.npy", mmap_mode="r+")
        changed[100] += 0.5
        changed.flush()
    _, err = ended(run, 3)
    assert "points changed while the job ran" in err
    shutil.copy(files.folder / "points.npy", job / "points.npy")
    ended(start(arguments), 0)
    assert chunks(tmp_path / "out.zarr") == chunks(result)
