"""A confined job reads and writes nothing outside of its folder, by whatever name it is called."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from jachess.batch.confine import check_confined
from jachess.batch.job import load_job
from jachess.batch.run import run_job
from jachess.cli import main
from jachess.errors import JobError
from tests.conftest import Files

KEYS = ("network", "points", "targets", "out", "cluster")


@pytest.fixture
def folder(files: Files, tmp_path: Path) -> Path:
    """The folder of a confined job, and things outside that it has no business with."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "sub").mkdir(parents=True)
    outside.mkdir()
    for name in ("model.onnx", "points.npy", "targets.npy"):
        shutil.copy(files.folder / name, inside)
        shutil.copy(files.folder / name, outside)
    zarr.save_array(str(inside / "points.zarr"), files.points)
    (inside / "link").symlink_to(outside)
    (inside / "model-link.onnx").symlink_to(outside / "model.onnx")
    (inside / "inner-link.onnx").symlink_to(inside / "model.onnx")
    (outside / "back.onnx").symlink_to(inside / "model.onnx")
    (inside / "round").symlink_to(inside / "round")
    return inside


def job_file(folder: Path, **changes: str) -> Path:
    keys = {
        "network": "model.onnx",
        "points": "points.npy",
        "targets": "targets.npy",
        "out": "out.zarr",
        "compute": "[gradient]",
        "error": "cross-entropy",
        "workers": "1",
        **changes,
    }
    (folder / "job.yaml").write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))
    return folder / "job.yaml"


OUTSIDE = {
    "above": "../outside/{file}",
    "from the root": "{outside}/{file}",
    "through a linked folder": "link/{file}",
    "by a link's other name": "sub/../link/{file}",
    "from above and back": "link/back.onnx",
    "a circle of links": "round",
    "a URL": "s3://bucket/{file}",
    "from the home": "/proc/self/environ",
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("place", OUTSIDE.values(), ids=OUTSIDE)
def test_what_leads_outside_is_refused(folder: Path, key: str, place: str) -> None:
    names = {"network": "model.onnx", "out": "new.zarr", "cluster": "cluster.yaml"}
    given = place.format(file=names.get(key, f"{key}.npy"), outside=folder.parent / "outside")
    job = load_job(job_file(folder, **{key: given}), {"confine": str(folder)})
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(JobError, match=f"^{key}: leads out of the folder"):
        run_job(job)
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.parametrize("key", ["points", "targets", "out"])
def test_a_link_within_a_folder_is_refused_too(folder: Path, key: str) -> None:
    place = folder / "points.zarr"
    chunk = next(file for file in (place / "c").rglob("*") if file.is_file())
    chunk.unlink()
    chunk.symlink_to(folder.parent / "outside" / "points.npy")
    with pytest.raises(JobError, match=f"^{key}: leads out"):
        check_confined(load_job(job_file(folder, **{key: "points.zarr"}), {"confine": str(folder)}))


def test_all_that_leads_outside_is_said_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = job_file(folder, network="../outside/model.onnx", points="/etc/passwd", confine="/")
    assert main(["run", str(job), "--confine", str(folder)]) == 2
    printed = capsys.readouterr().err
    assert [line.split(":")[1] for line in printed.splitlines()] == [" network", " points"]
    assert main(["plan", str(job), "--confine", str(folder / "absent")]) == 2


def test_a_job_inside_runs(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    job = job_file(folder, network="inner-link.onnx", points="points.zarr", out="sub/out.zarr", confine=".")
    assert run_job(load_job(job)).verdict.passed
    (folder.parent / "alias").symlink_to(folder)
    monkeypatch.chdir(folder.parent / "alias")
    assert main(["run", "job.yaml", "--confine", "."]) == 0
    assert main(["validate", "sub/out.zarr", "--confine", "."]) == 0
    assert main(["validate", "sub/out.zarr", "--confine", "sub"]) == 2
    assert "points: leads out" in capsys.readouterr().err
    assert os.path.realpath(folder) == str(folder)
    assert np.isfinite(zarr.open_array("sub/out.zarr/gradient", mode="r")[:]).all()  # type: ignore[index, arg-type]


def test_data_beside_the_network_stay_inside(folder: Path) -> None:
    """The reader of networks follows no link: so what it reads lies in the network's folder, which is inside."""
    import onnx

    model = onnx.load(folder / "model.onnx")
    onnx.save(model, folder / "sub" / "big.onnx", save_as_external_data=True, location="data", size_threshold=0)
    shutil.move(folder / "sub" / "data", folder.parent / "outside" / "data")
    (folder / "sub" / "data").symlink_to(folder.parent / "outside" / "data")
    with pytest.raises(ValueError, match="link"):
        run_job(load_job(job_file(folder, network="sub/big.onnx"), {"confine": str(folder)}))
