"""The store: whole or absent, readable by everybody, and honest about what is missing."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
import zarr

import jachess
from jachess.batch.new_store import create_store
from jachess.batch.prepare import axis_labels
from jachess.batch.run import plan_job, run_job
from jachess.batch.store import Store, chunk_key
from jachess.errors import StoreError
from jachess.result.validation import validate
from tests.conftest import Files


@pytest.fixture
def empty(files: Files, tmp_path: Path) -> Store:
    prepared = plan_job(files.job())
    return create_store(tmp_path / "out.zarr", prepared.plan, {}, axis_labels(prepared.plan, prepared.network))


@pytest.fixture
def copy(result: Path, tmp_path: Path) -> Store:
    return Store(shutil.copytree(result, tmp_path / "copy.zarr"))


def test_plain_zarr_and_xarray_show_labelled_arrays(result: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group = zarr.open_group(result, mode="r")
        dataset = xarray.open_zarr(result, consolidated=False)
    assert group["jacobian"].metadata.dimension_names == ("point", "output", "input")
    assert dataset["hessian"].dims == ("weight_i", "weight_j")
    assert {"layer_i", "unit_i", "input_i", "layer_j", "unit_j", "input_j"} <= set(dataset["hessian"].coords)
    assert group.attrs["state"] == "complete"
    dataset.load()
    row = dataset["hessian"].isel(weight_i=9)
    assert (row["layer_i"].item(), row["unit_i"].item(), row["input_i"].item()) == ("hidden.weight", 2, 1)
    bias = dataset["gradient"].isel(weight_i=26)
    assert (bias["layer_i"].item(), bias["unit_i"].item(), bias["input_i"].item()) == ("hidden.bias", 2, -1)
    assert np.isfinite(dataset["hessian"].values).all()


def test_the_arrays_are_the_derivatives(files: Files, result: Path) -> None:
    net = jachess.read_network(files.folder / "model.onnx")
    stored = jachess.open_result(result)
    arguments = (net, files.points, files.targets)
    for name, array in {
        "jacobian": jachess.jacobian(net, files.points),
        "gradient": jachess.gradient(*arguments, error="cross-entropy"),
        "hessian": jachess.hessian(*arguments, error="cross-entropy"),
    }.items():
        np.testing.assert_allclose(stored.array(name)[:], array, rtol=0, atol=1e-12 * np.abs(array).max())
    hessian = stored.array("hessian")[:]
    assert (hessian == hessian.T).all()


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_chunks_of_zeros_and_of_the_fill_value_are_written(empty: Store, value: float) -> None:
    empty.write([("hessian_residual", (slice(0, 51),), np.full(51, value))])
    assert empty.is_whole("hessian_residual", (0,))


def test_parts_of_chunks_are_not_written(empty: Store) -> None:
    with pytest.raises(AssertionError):
        empty.write([("hessian_residual", (slice(0, 50),), np.zeros(50))])


@pytest.mark.parametrize("damage", ["missing", "torn", "empty"])
def test_what_is_not_whole_is_not_done(copy: Store, damage: str) -> None:
    assert copy.done("jacobian").all()
    chunk = Path(copy.storage.address(chunk_key("jacobian", (3, 0, 0))))
    if damage == "missing":
        chunk.unlink()
    else:
        chunk.write_bytes(chunk.read_bytes()[:100] if damage == "torn" else b"")
    assert np.flatnonzero(~copy.done("jacobian")).tolist() == [3]
    with pytest.raises(StoreError, match=r"chunk \(3, 0, 0\) of 'jacobian' is missing or torn"):
        copy.read("jacobian", (slice(0, 200), slice(0, 3), slice(0, 4)))


def test_a_store_is_created_whole_or_not_at_all(files: Files, empty: Store) -> None:
    assert [path.name for path in Path(str(empty.storage)).parent.iterdir()] == ["out.zarr"]
    with pytest.raises(StoreError, match="something is there already"):
        create_store(empty.storage, empty.plan, {}, {})
    assert [path.name for path in Path(str(empty.storage)).parent.iterdir()] == ["out.zarr"]


def test_leftovers_of_killed_writers_are_swept(copy: Store) -> None:
    leftover = Path(str(copy.storage)) / "hessian" / "c" / "0" / "0.abc.partial"
    leftover.write_bytes(b"half")
    copy.storage.sweep()
    assert not leftover.exists()


@pytest.mark.parametrize("kind", ["nothing", "folder", "another group"])
def test_what_is_no_result_is_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "some.zarr"
    if kind == "folder":
        path.mkdir()
    elif kind == "another group":
        zarr.create_group(path)
    with pytest.raises(StoreError):
        Store(path)


def key(*path: Any, value: Any = None) -> Callable[[dict[str, Any]], None]:
    """A change of metadata: another value at the end of a path of keys, or none."""

    def change(metadata: dict[str, Any]) -> None:
        inner: Any = metadata
        for step in path[:-1]:
            inner = inner[step]
        if value is None:
            del inner[path[-1]]
        else:
            inner[path[-1]] = value

    return change


PLAN = ("attributes", "plan")
DAMAGE: dict[str, tuple[str, Any, str]] = {
    "no plan": ("", key(*PLAN), "attributes without 'plan'"),
    "a plan without points": ("", key(*PLAN, "n_points"), "plan without 'n_points'"),
    "a number in words": ("", key(*PLAN, "n_points", value="six"), "plan.n_points is 'six'"),
    "a fraction": ("", key(*PLAN, "strip", value=8.0), "plan.strip is 8.0"),
    "no strips": ("", key(*PLAN, "strip", value=0), "plan.strip is 0"),
    "an unknown quantity": ("", key(*PLAN, "quantities", 1, value="laplacian"), r"quantities\[1\] is 'laplacian'"),
    "a huge plan": ("", key(*PLAN, "n_points", value=10**30), "plan.n_points is 1000"),
    "many points": ("", key(*PLAN, "n_points", value=10**12), "impossible numbers of chunks"),
    "a wrong sum of weights": ("", key(*PLAN, "n_weights", value=52), "sizes and shapes do not fit"),
    "weights that overlap": ("", key(*PLAN, "weights", 1, 2, value=3), "'hidden.bias' begin at 3"),
    "weights in red": ("", key(*PLAN, "weights", 1, 0, value="\x1b[31m"), "is '.x1b.31m'"),
    "other blocks": ("", key(*PLAN, "points_per_block", value=7), "array 'jacobian' is not what its plan says"),
    "no state": ("", key("attributes", "state"), "attributes without 'state'"),
    "an odd verdict": ("", key("attributes", "verdict", "quantities", "hessian", value=3), "hessian is 3"),
    "an odd job": ("", key("attributes", "job", "points", value="x.npy"), "job.points is 'x.npy'"),
    "another shape": ("hessian", key("shape", value=[51, 52]), r"shape: wanted \(51, 51\); got \(51, 52\)"),
    "another type": ("hessian", key("data_type", value="float32"), "data_type: wanted float64"),
    "other chunks": ("gradient", key("chunk_grid", "configuration", "chunk_shape", value=[7]), "chunk_grid: wanted"),
    "other dimensions": ("gradient", key("dimension_names", value=["x"]), "dimension_names: wanted"),
    "a mirrored half": ("hessian", key("attributes", "triangle", value="upper"), "wanted triangle both"),
    "no codec": ("outputs", key("codecs"), "array 'outputs' is missing or damaged"),
    "a group": ("unit_i", key("node_type", value="group"), "array 'unit_i' is"),
    "no label": ("layer_j", None, "array 'layer_j' is missing"),
    "no array": ("hessian", None, "array 'hessian' is missing"),
    "no JSON": ("hessian", "{", "array 'hessian' is missing or damaged"),
    "deep JSON": ("", "[" * 100_000, "no jachess result here"),
    "no text": ("", b"\xff", "no jachess result here"),
}  # fmt: skip


@pytest.mark.parametrize(("place", "change", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_store_that_is_not_what_its_plan_says(
    files: Files, result: Path, tmp_path: Path, place: str, change: Any, message: str
) -> None:
    copy = Path(shutil.copytree(result, tmp_path / "result.zarr"))
    file = copy / place / "zarr.json"
    if change is None:
        file.unlink()
    elif callable(change):
        metadata = json.loads(file.read_text())
        change(metadata)
        file.write_text(json.dumps(metadata))
    else:
        file.write_bytes(change.encode() if isinstance(change, str) else change)
    others = (validate, lambda path: run_job(files.job(path))) if change is None or place == "outputs" else ()
    for ask in (jachess.open_result, *others):
        with pytest.raises(StoreError, match=message) as refused:
            ask(str(copy))
        assert all(line.startswith(str(copy)) for line in str(refused.value).splitlines())
    assert not list(tmp_path.glob("*.lock"))
