"""Runs into Google's and Azure's object stores, stood in for by servers that keep to their protocols."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jachess.batch.run import run_job
from jachess.batch.storage import storage_of
from jachess.cli import main
from jachess.errors import StoreError
from tests.batch.runs import chunks
from tests.batch.test_bucket import objects
from tests.conftest import Files
from tests.other_clouds import Azure, Google, other_cloud

CLOUDS = {"gs": Google, "az": Azure}


@pytest.fixture(scope="module", params=CLOUDS)
def bucket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket of each."""
    pytest.importorskip("obstore")
    with (
        other_cloud(CLOUDS[request.param], tmp_path_factory.mktemp("cloud")) as environment,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in environment.items():
            patch.setenv(name, value)
        yield f"{request.param}://bucket"


@pytest.mark.slow
def test_a_result_is_that_of_a_folder(
    files: Files, result: Path, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = replace(files.job(), out=f"{bucket}/results/out.zarr")
    assert run_job(job).verdict.passed
    assert objects(job.out) == chunks(result)
    assert main(["status", job.out, "--checksums"]) == 0
    assert main(["validate", job.out]) == 0
    with storage_of(job.out).lock(), pytest.raises(StoreError, match="process"):
        run_job(job)
    storage_of(job.out).delete_keys(["hessian/c/0/0"])
    assert run_job(job).n_computed == 1
    assert objects(job.out) == chunks(result)
    assert {key.partition("/")[0] for key, _ in storage_of(f"{bucket}/results").sizes("")} == {"out.zarr"}
