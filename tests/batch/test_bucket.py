"""Runs into an S3-compatible object store whose answers fail, and what its store has in common with a local one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import jachess
from jachess.batch.run import run_job
from jachess.batch.storage import storage_of
from jachess.batch.store import Store
from jachess.cli import main
from jachess.errors import StoreError
from tests.batch.test_kills import chunks, run_with_kills
from tests.conftest import Files
from tests.object_store import ObjectStore


def objects(url: str) -> dict[str, bytes]:
    """All objects of a store but the root's attributes, which hold times."""
    storage = storage_of(url)
    place = storage.zarr()
    names = sorted(name for name, _ in storage.sizes("") if name != "zarr.json")
    return {name: bytes(place.store.store.get(f"{place.path}/{name}").bytes()) for name in names}


def flags(files: Files, out: str) -> list[str]:
    """The whole job, for the command line."""
    names = {"--network": "model.onnx", "--points": "points.npy", "--targets": "targets.npy"}
    given = [text for flag, name in names.items() for text in (flag, str(files.folder / name))]
    return [*given, "--error", "cross-entropy", "--outputs", "--jacobian", "--gradient", "--hessian", "--workers", "2",
            "--out", out]  # fmt: skip


@pytest.fixture(scope="module")
def stored(files: Files, server: ObjectStore) -> Iterator[str]:
    """A result in the bucket, where one request in five failed while it was computed."""
    job = replace(files.job(), out="s3://bucket/faults/out.zarr")
    with server.faults.failing(0.2):
        run_job(job)
    yield job.out
    assert run_job(job).n_computed == 0


@pytest.mark.slow
def test_every_kind_of_fault_is_survived_to_the_same_bytes(result: Path, server: ObjectStore, stored: str) -> None:
    assert all(server.faults.counts[kind] > 1 for kind in server.faults.kinds)
    assert objects(stored) == chunks(result)
    beside = storage_of(stored.rpartition("/")[0])
    assert {key.partition("/")[0] for key, _ in beside.sizes("")} == {"out.zarr"}


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bytes(files: Files, result: Path, server: ObjectStore) -> None:
    out = "s3://bucket/kills/out.zarr"
    run_with_kills(flags(files, out), 2, latest=6, seed=0)
    assert objects(out) == chunks(result)
    assert {key.partition("/")[0] for key, _ in storage_of("s3://bucket/kills").sizes("")} == {"out.zarr"}


@pytest.mark.slow
def test_commands_and_calls_work_on_urls(
    files: Files, result: Path, stored: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", stored, "--checksums"]) == 0
    assert main(["validate", stored]) == 0
    assert main(["query", stored, "jacobian", "--point", "3", "--format", "json"]) == 0
    values = json.loads(capsys.readouterr().out.splitlines()[-1])["values"]
    local = jachess.open_result(result)
    np.testing.assert_array_equal(values, local.array("jacobian")[3:4])
    there, here = jachess.open_result(stored).to_xarray(), local.to_xarray()
    assert there.drop_attrs().identical(here.drop_attrs())


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_damage_is_found_and_mended(
    files: Files, result: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("obstore")
    out = f"memory://{damage}/out.zarr"
    run_job(replace(files.job(), out=out))
    place, whole = storage_of(f"{out}/hessian/c/0/0").zarr(), (slice(0, 51), slice(0, 51))
    bucket, key = place.store.store, place.path
    data = bytearray(bucket.get(key).bytes())
    data[100] ^= 1
    if damage == "flipped":
        bucket.put(key, bytes(data))
        assert main(["status", out, "--checksums"]) == 1
        assert f"{out}/hessian/c/0/0" in capsys.readouterr().out
        with pytest.raises(StoreError, match="damaged"):
            Store(out).read("hessian", whole)
    bucket.delete(key)
    if damage == "cut":
        bucket.put(key, bytes(data[:100]))
    assert main(["status", out]) == 3
    with pytest.raises(StoreError, match="missing or torn"):
        Store(out).read("hessian", whole)
    assert run_job(replace(files.job(), out=out)).n_computed == 1
    assert objects(out) == chunks(result)


@pytest.mark.slow
def test_a_second_run_is_refused(files: Files, stored: str) -> None:
    with storage_of(stored).lock(), pytest.raises(StoreError, match=f"process {os.getpid()}"):
        run_job(replace(files.job(), out=stored))


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("s3://absent-bucket/out.zarr", "does not answer as it should"),
        ("s3://bucket", "names no place in a bucket"),
        ("s3://bucket/a/../b", "names no place in a bucket"),
        ("http://127.0.0.1/out.zarr", "no such kind of place"),
        ("file:///tmp/out.zarr", "no such kind of place"),
        ("memory://out.zarr", "memory:// ends with this command"),
    ],
)
def test_places_that_cannot_be_used(
    files: Files, server: ObjectStore, out: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *flags(files, out)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert len(printed.splitlines()) == 1


@pytest.mark.slow
def test_a_wrong_end_point_shows_within_seconds(
    files: Files, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("obstore")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    for command in (["run", *flags(files, "s3://nowhere/out.zarr")], ["status", "s3://nowhere/out.zarr"]):
        assert main(command) == 2
        assert "does not answer as it should" in capsys.readouterr().err


def test_obstore_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jachess.batch.storage.bucket.find_spec", lambda name: None)
    with pytest.raises(StoreError, match=r"pip install 'jachess\[cloud\]'"):
        storage_of("s3://bucket/out.zarr")
