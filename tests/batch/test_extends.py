"""Additive jobs: further points are added to a finished result, counted once, and told of."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from jachess.batch.job import Job
from jachess.batch.run import plan_job, run_job
from jachess.batch.store import Store
from jachess.errors import InputError, StoreError
from jachess.network.graph import Array
from jachess.result.validation import validate
from tests.batch.runs import chunks, ended, run_here, start
from tests.batch.sabotage import environment
from tests.batch.test_bucket import objects
from tests.conftest import Files, save_model
from tests.object_store import ObjectStore

QUANTITIES = ["outputs", "jacobian", "weight_jacobian", "input_hessian", "gradient", "hessian", "outer_product"]
FIRST, SECOND = 130, 200
"""Points of the result that is extended, and of the longer one; they end within a block."""


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Files of a job whose points become more: those of other numbers are there too."""
    folder, random = tmp_path_factory.mktemp("growing"), np.random.default_rng(3)
    points, targets = random.normal(size=(300, 4)), random.integers(0, 3, 300)
    save_model(folder / "model.onnx")
    save_model(folder / "other.onnx", seed=7)
    for count in (FIRST, SECOND, 300):
        np.save(folder / f"points{count}.npy", points[:count])
        np.save(folder / f"targets{count}.npy", targets[:count])
    np.save(folder / "points.npy", points[::-1])
    np.save(folder / "targets.npy", targets[::-1])
    run_here(job_of(Files(folder, points, targets), FIRST, "first.zarr"))
    return Files(folder, points, targets)


def job_of(growing: Files, count: int | str, out: str, **changes: Any) -> Job:
    files = {key: str(growing.folder / f"{key}{count}.npy") for key in ("points", "targets")}
    if "extends" in changes:
        changes["extends"] = str(growing.folder / changes["extends"])
    return growing.job(out, **{**files, "compute": QUANTITIES, "workers": 1, **changes})


def arrays(store: Path) -> dict[str, Array]:
    return {name: array[:] for name, array in zarr.open_group(store, mode="r").arrays()}


def numbers(store: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in arrays(store).items() if array.dtype.kind in "fi"}


def files_of(store: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(store.rglob("*")) if file.is_file()}


@pytest.fixture(scope="module")
def extended(growing: Files) -> Path:
    """The longer result, by extending the first."""
    before = files_of(growing.folder / "first.zarr")
    outcome = run_job(job_of(growing, SECOND, "second.zarr", extends="first.zarr"))
    assert outcome.verdict.passed
    assert files_of(growing.folder / "first.zarr") == before
    return growing.folder / "second.zarr"


@pytest.fixture(scope="module")
def whole(growing: Files) -> Path:
    """The longer result, computed as a whole."""
    run_here(job_of(growing, SECOND, "whole.zarr"))
    return growing.folder / "whole.zarr"


@pytest.mark.slow
def test_it_is_the_whole(extended: Path, whole: Path) -> None:
    found, wanted = arrays(extended), arrays(whole)
    assert set(found) == set(wanted)
    for name in QUANTITIES:
        np.testing.assert_allclose(found[name], wanted[name], rtol=0, atol=1e-13 * np.abs(wanted[name]).max())
    for name in wanted:
        if name.endswith(("_residual", "_read_back")):
            assert (found[name] <= 1).all()
    assert validate(extended).passed
    assert not list(zarr.open_group(extended, mode="r").group_keys())


@pytest.mark.slow
def test_from_bucket_to_bucket(growing: Files, extended: Path, server: ObjectStore) -> None:
    first = replace(job_of(growing, FIRST, "first.zarr"), out="s3://bucket/growing/first.zarr")
    run_job(first)
    second = job_of(growing, SECOND, "second.zarr")
    out = replace(second, out="s3://bucket/growing/second.zarr", extends=first.out)
    assert run_job(out).verdict.passed
    assert objects(out.out) == chunks(extended)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"triangle": "upper"}, {"dtype": "float32"}], ids=str)
def test_it_is_the_whole_as_it_is_stored(growing: Files, whole: Path, tmp_path: Path, changes: dict[str, str]) -> None:
    first = run_here(job_of(growing, FIRST, str(tmp_path / "first.zarr"), **changes))
    found = run_here(job_of(growing, SECOND, str(tmp_path / "out.zarr"), extends=str(first.storage), **changes))
    assert found.attributes["state"] == "complete"
    hessian, wanted = np.triu(found.array("hessian")[:]), np.triu(arrays(whole)["hessian"])
    tolerance = 1e-13 if hessian.dtype == np.float64 else 1e-6
    np.testing.assert_allclose(hessian, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def test_only_further_points_are_computed(growing: Files, extended: Path) -> None:
    """What the earlier result has of whole blocks is taken from there, to the last bit."""
    found, first, plan = arrays(extended), arrays(growing.folder / "first.zarr"), Store(extended).plan
    kept = FIRST // plan.points_per_block * plan.points_per_block
    assert 0 < kept < FIRST
    for name in ("outputs", "jacobian", "jacobian_residual", "jacobian_read_back", "weight_jacobian", "input_hessian"):
        np.testing.assert_array_equal(found[name][:kept], first[name][:kept])


def test_where_shares_come_from_is_told(growing: Files, extended: Path) -> None:
    earlier = plan_job(job_of(growing, 300, "third.zarr", extends="second.zarr")).earlier
    assert earlier is not None
    shares = earlier.shares
    assert [share["points"] for share in shares] == [[0, FIRST], [FIRST, SECOND]]
    assert [share["result"] for share in shares] == [str(growing.folder / "first.zarr"), str(extended)]
    stored = Store(extended).attributes["shares"]
    assert stored == [shares[0], {"points": [FIRST, SECOND]}]
    assert shares[1]["finished_time"] == Store(extended).attributes["finished_time"]
    assert shares[1]["versions"]["numpy"] == np.__version__


@pytest.mark.slow
@pytest.mark.parametrize("block", ["partial_sums/hessian 0", "hessian 0"])
def test_killed_in_the_middle_nothing_is_counted_twice(
    growing: Files, extended: Path, tmp_path: Path, block: str
) -> None:
    arguments = ["--error", "cross-entropy", "--workers", "2", "--out", str(tmp_path / "out.zarr")]
    arguments += ["--network", f"{growing.folder}/model.onnx", "--extends", f"{growing.folder}/first.zarr"]
    arguments += [f"--{key}={growing.folder}/{key}{SECOND}.npy" for key in ("points", "targets")]
    arguments += [f"--{name.replace('_', '-')}" for name in QUANTITIES]
    ended(start(arguments, variables=environment(tmp_path, {block: "tear"})), -signal.SIGKILL)
    ended(start(arguments), 0)
    assert numbers(tmp_path / "out.zarr") == numbers(extended)


def spoil_state(store: Path, state: str) -> None:
    text = (store / "zarr.json").read_text()
    (store / "zarr.json").write_text(text.replace('"state": "complete"', f'"state": "{state}"'))


REVERSED = {"points": "points.npy", "targets": "targets.npy"}


@pytest.mark.parametrize(
    ("spoil", "changes", "told"),
    [
        (lambda store: spoil_state(store, "running"), {}, "it is not finished"),
        (lambda store: spoil_state(store, "failed"), {}, "its checks did not pass"),
        (lambda store: (store / "hessian" / "c" / "0" / "0").unlink(), {}, "blocks of it are missing"),
        (shutil.rmtree, {}, "there is no jachess result here"),
        (None, {"network": "other.onnx"}, "it is of another network"),
        (None, REVERSED, "its points are not the first 130 of the job's"),
        (None, {**REVERSED, "points": "points300.npy"}, "its targets are not the first 130 of the job's"),
        (None, {"points": "points130.npy", "targets": "targets130.npy"}, "the job has no further points"),
        (None, {"dtype": "float32"}, r"another dtype \(wanted float32; got float64\)"),
        (None, {"compute": ["gradient"]}, "another quantities"),
        (None, {"compute": ["gradient", "block_diagonal"]}, "block_diagonal cannot be added to"),
        (None, {"out": "old.zarr"}, "'extends' and 'out' are the same"),
    ],
)
def test_what_does_not_fit_is_refused(
    growing: Files, tmp_path: Path, spoil: Callable[[Path], object] | None, changes: dict[str, Any], told: str
) -> None:
    old = Path(shutil.copytree(growing.folder / "first.zarr", tmp_path / "old.zarr"))
    before = files_of(old)
    if spoil is not None:
        spoil(old)
    named = {k: str(growing.folder / v) if k in ("network", "points", "targets") else v for k, v in changes.items()}
    out = str(tmp_path / named.pop("out", "out.zarr"))
    with pytest.raises(InputError, match=told):
        run_job(job_of(growing, SECOND, out, extends=str(old), **named))
    assert not (tmp_path / "out.zarr").exists()
    assert spoil is not None or files_of(old) == before


def test_another_job_is_not_finished_as_an_extension(growing: Files, extended: Path, whole: Path) -> None:
    with pytest.raises(StoreError, match=r"another job .different: extended result"):
        run_job(job_of(growing, SECOND, "second.zarr"))
    with pytest.raises(StoreError, match=r"another job .different: extended result"):
        run_job(job_of(growing, SECOND, "whole.zarr", extends="first.zarr"))
    assert plan_job(job_of(growing, SECOND, "second.zarr", extends="first.zarr")).plan.n_before == FIRST
