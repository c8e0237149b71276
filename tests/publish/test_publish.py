"""What is published passed its checks, is of the job as it is now, and outlasts every death on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

from jachess.batch.job import Job
from jachess.batch.run import plan_job, run_job
from jachess.batch.storage import storage_of
from jachess.cli import main
from jachess.errors import IncompleteError
from jachess.publish.difference import difference
from jachess.publish.publish import publish
from jachess.publish.versions import Versions, fingerprint
from jachess.result.open import Result
from tests.batch.runs import ended, held, kill_group, start
from tests.batch.sabotage import sabotaged
from tests.conftest import Files, longer, save_model


@pytest.fixture
def own(files: Files, tmp_path: Path) -> Files:
    """Files that a test may change."""
    shutil.copytree(files.folder, tmp_path / "job", ignore=shutil.ignore_patterns("*.zarr*"))
    return Files(tmp_path / "job", files.points, files.targets)


def small(files: Files) -> Job:
    return files.job(compute=["outputs", "jacobian"], workers=1)


def arguments(files: Files, place: Path, *more: str) -> list[str]:
    folder = files.folder
    return ["--network", f"{folder}/model.onnx", "--points", f"{folder}/points.npy",
            "--targets", f"{folder}/targets.npy", "--error", "cross-entropy", "--outputs", "--jacobian",
            "--workers", "1", "--publish", str(place), *more]  # fmt: skip


def verified(place: Path) -> bool:
    """Whether plain Zarr finds a whole result there that passed."""
    attributes = zarr.open_group(place / "latest", mode="r").attrs
    return attributes["state"] == "complete" and attributes["verdict"]["passed"]


CHANGES = {
    "network": lambda folder: save_model(folder / "model.onnx", seed=7),
    "points": lambda folder: np.save(folder / "points.npy", 2 * np.load(folder / "points.npy")),
}


@pytest.fixture(scope="module")
def published(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with one version, that no test may change."""
    place = tmp_path_factory.mktemp("published") / "place"
    assert publish(small(files), str(place)).published
    return place


@pytest.fixture
def place(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "place", symlinks=True))


def test_what_is_unchanged_is_left_alone(files: Files, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.stat().st_mtime_ns for p in (place / "versions").rglob("*")}
    assert main(["run", *arguments(files, place, "--json")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["published"]
    assert not answer["changed"]
    assert answer["computed"] == 0
    assert main(["run", *arguments(files, place)]) == 0
    assert f"unchanged {answer['version']}" in capsys.readouterr().out
    assert before == {p: p.stat().st_mtime_ns for p in (place / "versions").rglob("*")}


@pytest.mark.parametrize("what", longer(CHANGES, but=["network"]))
def test_what_changed_is_a_new_version(own: Files, place: Path, what: str) -> None:
    before = Versions(str(place)).published()
    CHANGES[what](own.folder)
    done = publish(small(own), str(place))
    assert done.changed
    assert done.previous == before != done.version
    assert [version.published for version in Versions(str(place)).all()] == [False, True]
    assert verified(place)
    assert Result.open(place / "latest").path == str(place / "versions" / f"{done.version}.zarr")


def test_the_fingerprint_is_of_contents_and_job_alone(files: Files, own: Files) -> None:
    def of(job: Job) -> str:
        return fingerprint(plan_job(job).plan)

    same = {of(small(files)), of(small(own)), of(own.job("other.zarr", compute=["jacobian", "outputs"], memory="1GiB"))}
    others = {of(own.job(compute=["outputs"])), of(own.job(compute=["outputs", "jacobian"], dtype="float32"))}
    assert len(same) == 1
    assert len(same | others) == 3


def test_a_failed_version_is_not_published(own: Files, place: Path, tmp_path: Path) -> None:
    before = (place / "latest").readlink()
    CHANGES["network"](own.folder)
    with sabotaged(tmp_path, {"jacobian 0": "alter"}):
        done = publish(small(own), str(place))
    assert not done.published
    assert (place / "latest").readlink() == before
    assert main(["run", *arguments(own, place)]) == 1  # and not the second time either
    assert (place / "latest").readlink() == before
    assert [version.state for version in Versions(str(place)).all()] == ["complete", "failed"]


@pytest.mark.slow
def test_old_versions_go_but_the_published_one(own: Files, place: Path) -> None:
    made = [Versions(str(place)).published()]
    for seed in (7, 8):
        save_model(own.folder / "model.onnx", seed=seed)
        made.append(publish(small(own), str(place), keep=2).version)
    versions = Versions(str(place))
    assert [version.id for version in versions.all()] == made[1:]
    save_model(own.folder / "model.onnx", seed=7)  # as before: the version is still there
    done = publish(small(own), str(place), keep=1)
    assert (done.version, done.outcome.n_computed, done.pruned) == (made[1], 0, (made[2],))
    assert {file.name for file in (place / "versions").iterdir()} == {f"{made[1]}.zarr", f"{made[1]}.zarr.log"}


KILL = """
import os, signal, sys
from pathlib import Path
place, n, count = sys.argv[1], int(sys.argv[2]), 0
def hook(event, arguments):
    global count
    if event in ("os.symlink", "os.rename", "os.remove", "shutil.rmtree", "os.mkdir") and place in str(arguments):
        count += 1
        if count == n:
            os.kill(os.getpid(), signal.SIGKILL)
from jachess.cli import main
import jachess.publish.publish
sys.addaudithook(hook)
raise SystemExit(main(["run", *sys.argv[3:]]))
"""


@pytest.mark.slow
def test_a_kill_before_each_change_of_the_place(own: Files, place: Path, tmp_path: Path) -> None:
    """A new version is there, computed; what is left to do is to publish it and to remove the old one."""
    CHANGES["network"](own.folder)
    job = small(own)
    id = publish(job, str(tmp_path / "elsewhere")).version
    shutil.copytree(tmp_path / "elsewhere" / "versions" / f"{id}.zarr", place / "versions" / f"{id}.zarr")
    deaths = 0
    while True:
        trial = Path(shutil.copytree(place, tmp_path / f"trial-{deaths}", symlinks=True))
        code = subprocess.run(
            [sys.executable, "-c", KILL, str(trial), str(deaths + 1), *arguments(own, trial, "--keep", "1")],
            capture_output=True,
            timeout=60,
        ).returncode
        assert verified(trial)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        deaths += 1
        assert publish(job, str(trial), keep=1).published
        assert [(v.id, v.published) for v in Versions(str(trial)).all()] == [(id, True)]
        assert [file.name for file in (trial / "versions").iterdir() if file.is_dir()] == [f"{id}.zarr"]
        assert {file.name for file in trial.iterdir()} == {"versions", "latest"}
    assert deaths >= 5


@pytest.mark.slow
def test_a_kill_while_a_version_is_computed(own: Files, place: Path, tmp_path: Path) -> None:
    before = (place / "latest").readlink()
    CHANGES["network"](own.folder)
    with held(arguments(own, place), tmp_path, "jacobian 1") as run:
        second = start(arguments(own, place))
        _, err = ended(second, 3)
        assert f"process {run.pid}" in err
        kill_group(run)
    assert (place / "latest").readlink() == before
    out, _ = ended(start(arguments(own, place, "--keep", "1")), 0)
    assert "the others were there already" in out
    assert verified(place)


def test_a_lease_without_signs_of_life_ends(files: Files, place: Path) -> None:
    lease = place / "latest.lock"
    lease.write_text(json.dumps({"host": "elsewhere", "pid": 1, "boot": "x", "started": "y"}))
    with pytest.raises(IncompleteError, match="elsewhere"):
        publish(small(files), str(place))
    os.utime(lease, (time.time() - 100,) * 2)
    assert publish(small(files), str(place)).published
    assert not lease.exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--keep", "0"], "wanted 1 or more; got 0"),
        (["--out", "x.zarr"], "Leave one of both out"),
        (["--network", "absent.onnx"], "there is no such file"),
        (["--publish", "file"], "something else is there already"),
        (["--publish", "absent/place"], "its folder does not exist"),
        (["--publish", "result"], "something else is there already"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_refused_leaves_nothing(
    files: Files, tmp_path: Path, more: list[str], message: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    zarr.open_group("result", mode="w")
    before = set(tmp_path.rglob("*"))
    assert main(["run", *arguments(files, tmp_path / "place", *more)]) == 2
    assert message in capsys.readouterr().err
    assert set(tmp_path.rglob("*")) == before


def test_a_job_without_a_place_is_published_or_refused(
    own: Files, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = own.folder / "job.yaml"
    job.write_text("{network: model.onnx, points: points.npy, compute: [outputs, jacobian], workers: 1}\n")
    assert main(["run", str(job)]) == 2
    assert "job.yaml: 'out' is missing. Add it" in capsys.readouterr().err
    assert main(["run", str(job), "--publish", str(place), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["published"]
    assert main(["plan", str(job), "--out", str(own.folder / "out.zarr")]) == 0


def test_what_is_refused_or_incomplete_is_told_as_json(
    files: Files, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {}
    (place / "latest.lock").write_text(json.dumps({"host": "elsewhere", "pid": 1, "boot": "x", "started": "y"}))
    for code, more in ((2, ["--keep", "0", "--network", "absent.onnx"]), (3, [])):
        assert main(["run", *arguments(files, place, "--json", *more)]) == code
        printed = capsys.readouterr()
        answers[code] = json.loads(printed.out)["problems"]
        assert printed.err.splitlines() == [f"jachess: {problem}" for problem in answers[code]]
    assert [problem.partition(":")[0] for problem in answers[2]] == ["--keep", "absent.onnx"]
    assert "elsewhere" in answers[3][0]


@pytest.mark.slow
def test_a_confined_job_is_published_inside_only(
    own: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside, outside = own.folder, tmp_path / "outside"
    outside.mkdir()
    confined = ["--confine", str(inside), "--json"]
    (inside / "link").symlink_to(outside)
    for name in ("versions", "latest"):
        (inside / f"leading {name}").mkdir()
        (inside / f"leading {name}" / name).symlink_to(outside)
    for place in (outside / "place", inside / "link", inside / "leading versions", inside / "leading latest"):
        assert main(["run", *arguments(own, place, *confined)]) == 2
        [problem] = json.loads(capsys.readouterr().out)["problems"]
        assert problem.startswith("out: leads out of the folder")
    assert not list(outside.iterdir())
    for changed in (True, False):
        assert main(["run", *arguments(own, inside / "place", *confined)]) == 0
        assert json.loads(capsys.readouterr().out)["changed"] == changed


def test_history(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(place)]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert all(word in line for word in ((place / "latest").readlink().stem, "complete", "latest", "verified"))
    assert main(["history", str(place), "--json"]) == 0
    [version] = json.loads(capsys.readouterr().out)["versions"]
    assert version["published"]
    assert version["verdict"]["passed"]
    assert main(["history", str(tmp_path / "absent")]) == 2
    assert "no versions are here" in capsys.readouterr().err


@pytest.mark.slow
def test_in_a_bucket(own: Files, server: object, tmp_path: Path) -> None:
    place = f"s3://bucket/{tmp_path.name}/place"
    first = publish(small(own), place)
    again = publish(small(own), place)
    assert (again.changed, again.outcome.n_computed) == (False, 0)
    CHANGES["network"](own.folder)
    second = publish(small(own), place, keep=1)
    assert second.pruned == (first.version,)
    assert [(v.id, v.published) for v in Versions(place).all()] == [(second.version, True)]
    assert Result.open(f"{place}/latest").path == f"{place}/versions/{second.version}.zarr"
    assert not [key for key, _ in storage_of(f"{place}/versions").sizes("") if first.version in key]


@pytest.mark.slow
def test_differences_are_those_of_the_whole_arrays(own: Files, tmp_path: Path) -> None:
    quantities = ["jacobian", "weight_jacobian", "gradient", "hessian"]
    results = []
    for number in range(2):
        save_model(own.folder / "model.onnx", seed=number, sizes=(4, 30, 3))  # so that matrices have several chunks
        job = own.job(str(tmp_path / f"{number}.zarr"), compute=quantities, triangle="upper")
        run_job(job)
        results.append(Result.open(job.out))
    before, after = results
    found = difference(before, after, shifts=3)
    spans = {name: slice(offset, offset + int(np.prod(shape))) for name, shape, offset in before.plan.weights}
    for change in found.changes:
        old, new = (result[change.array][()].values for result in results)
        weights = [axis for axis, name in enumerate(before[change.array].dimensions) if name.startswith("weight")]
        region = [slice(None)] * old.ndim
        for axis, name in zip(weights, change.layers, strict=True):
            region[axis] = spans[name]
        old, new = old[tuple(region)], new[tuple(region)]
        wanted = [np.linalg.norm(old), np.linalg.norm(new - old), np.abs(new - old).max()]
        np.testing.assert_allclose([change.before, change.change, change.largest], wanted, rtol=1e-12)
    assert {change.array for change in found.changes} == set(quantities)
    assert len(found.changes) == 1 + 4 + 4 + 10
    means = [np.abs(result.jacobian[()].values).mean(axis=0) for result in results]
    shift = np.abs(means[1] - means[0])
    largest = found.shifts[0]
    assert abs(largest.after - largest.before) == pytest.approx(shift.max(), rel=1e-12)
    assert main(["diff", str(tmp_path / "0.zarr"), str(tmp_path / "1.zarr"), "--json"]) == 0
