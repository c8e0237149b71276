"""Where workers come from: a cluster file, a running scheduler, or a word on what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from distributed import LocalCluster

from jachess.batch.run import run_job
from jachess.errors import JobError
from tests.batch.runs import chunks
from tests.conftest import Files


@pytest.mark.parametrize("file", sorted(Path("cluster").glob("*.yaml")), ids=lambda file: file.stem)
def test_a_cluster_file(files: Files, result: Path, tmp_path: Path, file: Path) -> None:
    run_job(replace(files.job(), out=str(tmp_path / "out.zarr"), cluster=str(file)))
    assert chunks(tmp_path / "out.zarr") == chunks(result)


def test_a_running_scheduler_is_used_and_left_running(files: Files, result: Path, tmp_path: Path) -> None:
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        run_job(replace(files.job(), out=str(tmp_path / "out.zarr"), scheduler=address))
        run_job(replace(files.job(), out=str(tmp_path / "again.zarr"), scheduler=address))
    assert chunks(tmp_path / "out.zarr") == chunks(tmp_path / "again.zarr") == chunks(result)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no such cluster file"),
        ("workers: 2\n", "wrong keys"),
        ("cluster: [a\n", "not YAML"),
        ("cluster: distributed.LocalCluster\narguments: [1]\n", "wrong values"),
        ("cluster: builtins.dict\n", "builtins.dict is no Dask cluster"),
        ("cluster: distributed.NoSuchCluster\n", "cannot be started .AttributeError"),
        ("cluster: no_such_module.Cluster\n", "cannot be started .ModuleNotFoundError"),
        ("cluster: distributed.LocalCluster\narguments: {colour: red}\n", "cannot be started"),
    ],
)
def test_cluster_files_that_do_not_work(files: Files, tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "cluster.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(JobError, match=message):
        run_job(replace(files.job(), out=str(tmp_path / "out.zarr"), cluster=str(path)))
    assert not (tmp_path / "out.zarr").exists()
