"""A job without a scheduler: shards in any order, again, beside each other or killed make the bytes of a run."""

from __future__ import annotations

import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jachess.batch.job import Job
from jachess.batch.run import run_job
from jachess.batch.shards import finalize, plan_shards, run_shard
from jachess.batch.storage import storage_of
from jachess.batch.storage.turns import alone, among_shards, is_in_use
from jachess.batch.store import Store
from jachess.errors import IncompleteError, JobError, StoreError
from tests.batch.runs import chunks, ended, flags, kill_group, start
from tests.conftest import Files, longer


@pytest.fixture
def job(files: Files, tmp_path: Path) -> Job:
    return replace(files.job(), out=str(tmp_path / "out.zarr"))


@pytest.mark.parametrize("n_shards", longer([3, 25], but=[3]))
def test_shards_make_the_bytes_of_a_run(job: Job, result: Path, n_shards: int) -> None:
    plan_shards(job, n_shards)
    order = [*range(n_shards)] * 2
    random.Random(n_shards).shuffle(order)
    outcomes = [run_shard(job, index) for index in order]
    assert sum(outcome.n_computed for outcome in outcomes) == 18
    outcome = finalize(job)
    assert outcome.verdict.passed
    assert chunks(Path(job.out)) == chunks(result)
    assert Store(job.out).attributes["state"] == "complete"
    assert run_job(job).n_computed == 0
    assert {file.name for file in Path(job.out).parent.iterdir()} == {"out.zarr", "out.zarr.log"}


@pytest.mark.slow
def test_shards_that_are_killed_and_come_back_beside_each_other(files: Files, result: Path, tmp_path: Path) -> None:
    arguments = flags(files, tmp_path / "out.zarr")
    ended(start([*arguments, "--shards", "2"], "plan"), 0)
    moments = random.Random(3)
    for _ in range(2):
        pair = [start([*arguments, "--index", str(index)], "run-shard") for index in range(2)]
        for run in pair:
            try:
                run.wait(timeout=moments.uniform(0.5, 1.6))
            except subprocess.TimeoutExpired:
                kill_group(run)
            else:
                run.communicate()
    for _ in range(2):
        for run in [start([*arguments, "--index", str(index)], "run-shard") for index in range(2)]:
            ended(run, 0)
    out, _ = ended(start(arguments, "finalize"), 0)
    assert "verified" in out
    assert chunks(tmp_path / "out.zarr") == chunks(result)
    assert {file.name for file in tmp_path.iterdir()} == {"out.zarr", "out.zarr.log"}


def test_a_run_and_shards_exclude_each_other(job: Job) -> None:
    plan_shards(job, 3)
    storage = storage_of(job.out)
    with among_shards(storage, 1), among_shards(storage, 2):
        assert is_in_use(storage)
        for act in (run_job, finalize, lambda job: plan_shards(job, 4)):
            with pytest.raises(StoreError, match=r"in use by shards of it \(1, 2\)"):
                act(job)
        with pytest.raises(StoreError, match="shard 1: in use by another run"):
            run_shard(job, 1)
        run_shard(job, 0)
    with alone(storage), pytest.raises(StoreError, match="in use by a run that has it to itself"):
        run_shard(job, 1)
    assert not is_in_use(storage)


def test_what_is_missing_is_named_by_shards(job: Job) -> None:
    plan_shards(job, 4)
    for index in (0, 2):
        outcome = run_shard(job, index)
        assert outcome.waiting == ("outputs", "jacobian")
    with pytest.raises(IncompleteError, match=r"of 2 shards \(1, 3\)"):
        finalize(job)
    assert run_job(job).verdict.passed


def test_a_run_goes_on_with_what_shards_began_and_shards_with_what_a_run_began(
    job: Job, result: Path, tmp_path: Path
) -> None:
    shutil.copytree(result, job.out)
    (Path(job.out) / "hessian" / "c" / "0" / "0").unlink()
    plan_shards(job, 2)
    assert sum(run_shard(job, index).n_computed for index in range(2)) == 1
    assert finalize(job).verdict.passed
    assert chunks(Path(job.out)) == chunks(result)


def test_a_damaged_chunk_is_found_by_its_reader_and_computed_again(job: Job, result: Path) -> None:
    plan_shards(job, 2)
    for index in range(2):
        run_shard(job, index)
    chunk = Path(job.out) / "jacobian" / "c" / "3" / "0" / "0"
    chunk.write_bytes(bytes(chunk.stat().st_size))
    shutil.rmtree(Path(job.out) / "jacobian_read_back" / "c")
    failures = []
    for index in range(2):
        try:
            run_shard(job, index)
        except IncompleteError as error:
            failures.append(str(error))
    assert len(failures) == 1
    assert "jacobian, points 75 to 99" in failures[0]
    assert sum(run_shard(job, index).n_computed for index in range(2)) == 1
    assert finalize(job).verdict.passed
    assert chunks(Path(job.out)) == chunks(result)


def test_a_shard_that_cannot_be_written_says_so(job: Job) -> None:
    plan_shards(job, 1)
    (Path(job.out) / "gradient" / "c").write_text("a file where a folder should be")
    with pytest.raises(IncompleteError, match=r"shard 0: 1 blocks could not be computed(.|\n)*gradient, all weights"):
        run_shard(job, 0)
    (Path(job.out) / "gradient" / "c").unlink()
    assert run_shard(job, 0).n_computed == 1


def test_what_is_no_shard_is_refused(job: Job, files: Files) -> None:
    with pytest.raises(StoreError, match="there is no store yet"):
        run_shard(job, 0)
    with pytest.raises(JobError, match="wanted at least 1; got 0"):
        plan_shards(job, 0)
    plan_shards(job, 3)
    with pytest.raises(JobError, match="wanted 0 to 2; got 3"):
        run_shard(job, 3)
    with pytest.raises(StoreError, match="another job"):
        run_shard(replace(job, dtype="float32"), 0)


def test_a_store_that_is_not_dealt_is_refused(job: Job, result: Path) -> None:
    shutil.copytree(result, job.out)
    with pytest.raises(StoreError, match="is not dealt to shards"):
        run_shard(job, 0)
