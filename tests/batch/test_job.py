"""Job files: their form is checked whole, and every problem is said at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jachess.batch.job import job_of, load_job, n_bytes
from jachess.batch.job_schema import schema
from jachess.errors import JobError

GOOD: dict[str, Any] = {"network": "m.onnx", "points": "x.npy", "compute": ["jacobian"], "out": "o.zarr"}


def problems(**changes: Any) -> str:
    with pytest.raises(JobError) as refused:
        job_of({key: value for key, value in {**GOOD, **changes}.items() if value is not None})
    return str(refused.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": None}, "'network' is missing. Add it: The trained network"),
        ({"netwrok": "m.onnx"}, "unknown key 'netwrok'. Did you mean 'network'?"),
        ({"compute": []}, "'compute' is wrong"),
        ({"compute": ["laplacian"]}, "wanted one of outputs, jacobian, "),
        ({"compute": ["hessian"]}, "'targets' is missing, and hessian needs it"),
        ({"dtype": "float16"}, "wanted one of float64, float32"),
        ({"memory": "2 gigs"}, "'memory' is wrong"),
        ({"memory": "9" * 400 + "GiB"}, "'memory' is wrong"),
        ({"memory": "9" * 300 + "GiB"}, "'memory' is wrong"),
        ({"out": "a\0b"}, "'out' is wrong (wanted no control characters"),
        ({"network": "a\n"}, "'network' is wrong"),
        ({"points": "\udcff.npy"}, "'points' is wrong"),
        ({"workers": 0}, "'workers' is wrong"),
        ({"workers": 2.0}, "'workers' is wrong"),
        ({"workers": 10**400}, "wanted at most 100000"),
        ({"patience": float("inf")}, "'patience' is wrong"),
        ({"patience": float("nan")}, "'patience' is not a number"),
        ({"points": 7}, "'points' is wrong"),
        ({"cluster": "c.yaml", "scheduler": "tcp://a:1"}, "exclude each other"),
        ({"weights": []}, "'weights' is wrong"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(changes: dict[str, Any], message: str) -> None:
    assert message in problems(**changes)


def test_long_lists_take_neither_time_nor_lines() -> None:
    assert "'weights' is wrong" in problems(weights=["a", 1] * 100_000)
    assert len(problems(**{f"key{i}": 1 for i in range(100_000)}).splitlines()) == 50
    assert len(problems(compute=[f"laplacian{i}" for i in range(100_000)]).splitlines()) == 50


def test_all_problems_at_once() -> None:
    found = problems(network=None, colour="red", dtype="float16", workers=-1)
    assert all(key in found for key in ("network", "colour", "dtype", "workers"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("network: a\nnetwork: b\n", "key 'network' stands twice"),
        ("- a\n- b\n", "a job is a mapping"),
        ("network: [a\n", "not YAML"),
        ("network: !!python/object/apply:os.system [id]\n", "not YAML"),
        ("", "a job is a mapping"),
        ("network: &n [*n]\n", "references"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "references"),
        ("workers: " + "9" * 5000, "not YAML"),
        ("out: 2024-13-45\n", "not YAML"),
        ("a: " + "[" * 5000, "not YAML"),
        ("# " + "x" * (1 << 20), "too large"),
    ],
)
def test_files_that_are_no_jobs(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(JobError, match=message):
        load_job(tmp_path / "job.yaml")
    with pytest.raises(JobError, match="no such job file"):
        load_job(tmp_path / "absent.yaml")


def test_paths_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(
        "network: m.onnx\npoints: {x: x.npy, u: s3://bucket/u.zarr}\ncompute: [jacobian]\nout: /elsewhere/o.zarr\n"
    )
    job = load_job(tmp_path / "job.yaml", {"out": "here.zarr"})
    assert job.network == str(tmp_path / "m.onnx")
    assert dict(job.points) == {"x": str(tmp_path / "x.npy"), "u": "s3://bucket/u.zarr"}
    assert job.out == "here.zarr"


def test_every_example_is_a_valid_job() -> None:
    for path in Path("workflows").rglob("job*.yaml"):
        assert load_job(path).quantities
    assert set(schema()["required"]) == set(GOOD)


@pytest.mark.parametrize(
    ("text", "size"), [("2GiB", 2**31), ("1.5 GB", 15 * 10**8), ("512kB", 512_000), ("512KiB", 2**19), ("7B", 7)]
)
def test_sizes(text: str, size: int) -> None:
    assert n_bytes(text) == size
