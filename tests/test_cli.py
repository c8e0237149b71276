"""The command line: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from jachess.batch.seal import seal
from jachess.batch.store import FORMAT, Store
from jachess.checks.verdict import Verdict
from jachess.cli import main
from tests.conftest import Files


def flags(files: Files, out: Path, *more: str) -> list[str]:
    folder = files.folder
    return ["--network", f"{folder}/model.onnx", "--points", f"{folder}/points.npy", "--targets",
            f"{folder}/targets.npy", "--error", "cross-entropy", "--out", str(out), *more]  # fmt: skip


def test_plan_writes_nothing(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *flags(files, tmp_path / "out.zarr", "--hessian", "--jacobian")]) == 0
    printed = capsys.readouterr()
    assert "hidden.weight (6, 4) from 0" in printed.out
    assert "hessian   51 × 51 float64" in printed.out
    assert not list(tmp_path.iterdir())


def test_run_again_does_nothing(files: Files, result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.stat().st_mtime_ns for p in result.rglob("*")}
    everything = ("--hessian", "--jacobian", "--gradient", "--outputs")
    assert main(["run", *flags(files, result, *everything)]) == 0
    printed = capsys.readouterr()
    assert "nothing to do" in printed.out
    assert "verified" in printed.out
    assert before == {p: p.stat().st_mtime_ns for p in result.rglob("*")}


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (["status"], ["state     complete", "jacobian  8 of 8 blocks", "verified"]),
        (["status", "--checksums"], ["checksums all right"]),
        (["validate"], ["hessian: 51 rows against central differences", "verified"]),
        (["query"], ["jacobian           float64  point 200, output 3, input 4"]),
        (["query", "hessian", "--largest", "2"], ["weight_i", "weight_j", "hessian", "hidden."]),
        (["query", "hessian", "--summary", "--format", "csv"], ["tensor_i,tensor_j,elements,frobenius"]),
        (["query", "jacobian", "--summary"], ["mean_magnitude"]),
        (["query", "hessian", "--rows", "hidden.bias unit=2", "--columns", "0"], ["weight_i hidden.bias[2]"]),
    ],
)
def test_commands_on_a_result(
    result: Path, command: list[str], wanted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command[0], str(result), *command[1:]]) == 0
    printed = capsys.readouterr()
    assert all(text in printed.out for text in wanted)
    assert printed.err == ""


def test_verdicts_as_json(files: Files, result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everything = ("--hessian", "--jacobian", "--gradient", "--outputs")
    stored = zarr.open_group(result, mode="r").attrs["verdict"]
    answers = {}
    for command in (
        ["run", *flags(files, result, *everything)],
        ["status", str(result), "--checksums"],
        ["validate", str(result)],
    ):
        assert main([*command, "--json"]) == 0
        printed = capsys.readouterr()
        answers[command[0]] = json.loads(printed.out)
        assert printed.err == ""
    assert answers["run"]["verdict"] == answers["status"]["verdict"] == stored
    assert answers["run"]["computed"] == 0
    assert answers["status"]["blocks"]["jacobian"] == {"done": 8, "total": 8}
    assert answers["status"]["damaged"] == []
    assert answers["validate"]["verdict"]["quantities"]["outputs"]["passed"]


@pytest.mark.parametrize(("worst", "word"), [(np.inf, "FAILED"), (np.nan, "NOT VERIFIED")])
def test_a_verdict_that_is_not_passed(
    result: Path, tmp_path: Path, worst: float, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(result, tmp_path / "copy.zarr"))
    for name in ("hessian_residual", "hessian_read_back"):
        residual = zarr.open_array(copy / name, mode="r+")
        residual[3:6] = worst
    store = Store(copy)
    seal(store, Verdict.from_dict(store.attributes["verdict"]).findings["agreement"])
    assert main(["status", str(copy)]) == 1
    assert f"verdict   {word}: 3 of 51 rows of hessian" in capsys.readouterr().out
    assert main(["status", str(copy), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)["verdict"]
    assert not answer["passed"]
    assert word in answer["sentence"]


REFUSED = [
    (["--network", "absent.onnx"], "absent.onnx: there is no such file"),
    (["--points", "absent.npy"], "absent.npy: there is no such file"),
    (["--points", "nan.npy"], "point 7 holds NaN"),
    (["--points", "empty.npy"], "holds no points"),
    (["--points", "narrow.npy"], "wanted 4"),
    (["--targets", "large.npy"], "class numbers must lie in 0 to 2 (got 0 to 3)"),
    (["--targets", "short.npy"], "wanted 200"),
    (["--error", "binary-cross-entropy"], "does not go with binary-cross-entropy"),
    (["--error", "mean-squares"], "wanted one of sum-of-squares"),
    (["--memory", "1MiB"], "wanted at least"),
    (["--memory", "much"], "'memory' is wrong"),
    (["--weights", "absent"], "'absent' not found"),
    (["--set", "colour=red"], "unknown key 'colour'"),
    (["--set", "compute=[a"], "--set compute: not YAML"),
    (["--set", "points={x: a, x: b}"], "key 'x' stands twice"),
    (["--memory", "0B"], "too small for this job"),
    (["--network", "n" * 300], "cannot be read (File name too long)"),
    (["--points", "n" * 300], "there is no such file"),
    (["--out", "n" * 300], "is no place for a result (File name too long)"),
    (["--out", "/"], "something else is there already. Choose /result.zarr"),
    (["--out", "."], "something else is there already. Choose /"),
    (["--out", "nan.npy"], "something else is there already"),
    (["--out", "file:///out.zarr"], "no such kind of place"),
    (["--cluster", "empty.npy"], "not YAML"),
    (
        ["--network", "a", "--points", "b", "--targets", "c", "--out", "d/e"],
        "a: there is no such file. Give the path of an ONNX model.\njachess: b: there is no such file.\n"
        "jachess: c: there is no such file.\njachess: d/e: its folder does not exist",
    ),
    (["--out", "absent/out.zarr"], "its folder does not exist"),
    (["--workers", "many"], "invalid int value"),
    (["--targets", "wide.npy"], "wide.npy: each point needs 3 targets, one an output (got 5)"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_bad_input_is_refused(
    files: Files,
    tmp_path: Path,
    change: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    bad = files.points.copy()
    bad[7, 2] = np.nan
    for name, array in {
        "nan": bad,
        "empty": bad[:0],
        "narrow": files.points[:, :3],
        "wide": np.zeros((len(files.points), 5)),
        "large": files.targets + (files.targets == 2),
        "short": files.targets[:-1],
    }.items():
        np.save(f"{name}.npy", array)
    before = set(tmp_path.rglob("*"))
    try:
        code = main(["run", *flags(files, tmp_path / "out.zarr", "--hessian"), *change])
    except SystemExit as exit:
        code = int(exit.code or 0)
    printed = capsys.readouterr()
    assert code == 2
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", ["status", "validate", "query"])
def test_commands_on_what_is_no_result(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for name, attributes in {"plain": {}, "no-plan": {"jachess_format": FORMAT}, "old": {"jachess_format": 1}}.items():
        zarr.open_group(name, mode="w", attributes=attributes)
    before = set(tmp_path.rglob("*"))
    for place, message in {
        "absent": "no jachess result here",
        "file": "no jachess result here",
        "plain": "not a jachess result of this version",
        "no-plan": "attributes without 'plan'",
        "old": f"wanted format {FORMAT}; got 1",
    }.items():
        assert main([command, place]) == 2
        assert message in capsys.readouterr().err
    assert set(tmp_path.rglob("*")) == before


def test_a_store_of_another_job_is_left_alone(
    files: Files, result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(result, tmp_path / "copy.zarr"))
    assert main(["run", *flags(files, copy, "--hessian")]) == 2
    assert "another job (different: quantities" in capsys.readouterr().err
    (tmp_path / "folder").mkdir()
    assert main(["run", *flags(files, tmp_path / "folder", "--hessian")]) == 2
    assert not list((tmp_path / "folder").iterdir())


def test_status_of_an_incomplete_result(result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Path(shutil.copytree(result, tmp_path / "copy.zarr"))
    (copy / "hessian" / "c" / "0" / "0").unlink()
    assert main(["status", str(copy)]) == 3
    assert "hessian   0 of 1 blocks" in capsys.readouterr().out
