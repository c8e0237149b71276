"""Runs: resumed, refused, judged."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from jachess.backprop.hessian import hessian_strip
from jachess.batch.new_store import create_store
from jachess.batch.plan import NUMERICS
from jachess.batch.prepare import axis_labels
from jachess.batch.quantities import QUANTITIES, Context
from jachess.batch.run import plan_job, run_job
from jachess.batch.seal import agreement_of, seal
from jachess.batch.store import Store
from jachess.batch.tasks import read_back_blocks, write_blocks
from jachess.errors import IncompleteError, InputError, PlanError, StoreError
from jachess.network.graph import Array
from jachess.result.validation import validate
from tests.batch.runs import chunks
from tests.conftest import Files, save_model


def test_only_what_is_missing_is_computed(files: Files, result: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(result, tmp_path / "copy.zarr"))
    (copy / "hessian" / "c" / "0" / "0").unlink()
    torn = copy / "jacobian" / "c" / "2" / "0" / "0"
    torn.write_bytes(torn.read_bytes()[:-1])
    untouched = (copy / "jacobian" / "c" / "1" / "0" / "0").stat().st_mtime_ns
    outcome = run_job(replace(files.job(), out=str(copy)))
    assert outcome.n_computed == 2
    assert outcome.verdict.passed
    assert chunks(copy) == chunks(result)
    assert (copy / "jacobian" / "c" / "1" / "0" / "0").stat().st_mtime_ns == untouched


def test_one_worker_makes_the_same_bytes_as_two(files: Files, result: Path, tmp_path: Path) -> None:
    run_job(replace(files.job(), out=str(tmp_path / "one.zarr"), workers=1))
    assert chunks(tmp_path / "one.zarr") == chunks(result)


@pytest.mark.parametrize("changed", ["network", "points", "targets", "dtype"])
def test_a_changed_job_is_refused_on_the_old_store(files: Files, result: Path, tmp_path: Path, changed: str) -> None:
    copy = Path(shutil.copytree(result, tmp_path / "copy.zarr"))
    save_model(tmp_path / "network", seed=9)
    np.save(tmp_path / "points.npy", files.points + 1e-9)
    np.save(tmp_path / "targets.npy", files.targets[::-1])
    values = {
        "network": str(tmp_path / "network"),
        "points": str(tmp_path / "points.npy"),
        "targets": str(tmp_path / "targets.npy"),
        "dtype": "float32",
    }
    before = chunks(copy)
    with pytest.raises(StoreError, match=f"another job .different: {changed}"):
        run_job(replace(files.job(**{changed: values[changed]}), out=str(copy)))
    assert chunks(copy) == before


@pytest.mark.parametrize(("work", "refused"), [("none", False), ("a block is missing", True), ("one is damaged", True)])
def test_a_store_of_other_numerics_is_kept_but_not_added_to(
    files: Files, result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, refused: bool
) -> None:
    copy = Path(shutil.copytree(result, tmp_path / "copy.zarr"))
    chunk = copy / "jacobian" / "c" / "2" / "0" / "0"
    if work == "a block is missing":
        chunk.unlink()
    if work == "one is damaged":
        chunk.write_bytes(bytes(chunk.stat().st_size))
    monkeypatch.setattr("jachess.batch.begin.NUMERICS", "0")
    before = chunks(copy)
    if refused:
        with pytest.raises(
            StoreError, match=rf"computes other digits \(numerics {NUMERICS} of jachess .*; this is numerics 0"
        ):
            run_job(replace(files.job(), out=str(copy)), checksums=True)
    else:
        assert run_job(replace(files.job(), out=str(copy)), checksums=True).n_computed == 0
    assert chunks(copy) == before


def test_float32_results_are_verified_too(files: Files, tmp_path: Path) -> None:
    outcome = run_job(replace(files.job(), out=str(tmp_path / "out.zarr"), dtype="float32"))
    assert outcome.verdict.passed
    store = Store(tmp_path / "out.zarr")
    assert store.array("hessian").dtype == np.float32


def test_the_upper_triangle_alone(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks on and right of the diagonal are those of the whole; the others are left out, and nothing misses them."""
    monkeypatch.setattr("jachess.batch.planning.FEWEST_ROWS", 16)
    both = replace(files.job(), quantities=("hessian",), out=str(tmp_path / "both.zarr"))
    job = replace(both, out=str(tmp_path / "upper.zarr"), triangle="upper")
    assert run_job(both).verdict.passed
    assert run_job(job).verdict.passed
    assert validate(job.out).passed
    whole, half = Store(Path(both.out)), Store(Path(job.out))
    edge = half.plan.strip
    blocks = np.arange(half.plan.n_weights) // edge
    stored = blocks[:, None] <= blocks[None, :]
    found = half.array("hessian")[:]
    np.testing.assert_array_equal(found[stored], whole.array("hessian")[:][stored])
    np.testing.assert_array_equal(whole.array("hessian")[:], whole.array("hessian")[:].T)
    assert np.isnan(found[~stored]).all()
    assert not stored.all()
    files_of = [file for file in (Path(job.out) / "hessian" / "c").rglob("*") if file.is_file()]
    spec = QUANTITIES["hessian"].arrays(half.plan)[0]
    assert sum(file.stat().st_size for file in files_of) == spec.stored_bytes
    assert run_job(job).n_computed == 0


def test_the_smallest_memory_is_named_and_suffices(files: Files) -> None:
    with pytest.raises(PlanError, match=r"--memory \d+MiB") as refused:
        plan_job(replace(files.job(), memory=2**20))
    words = str(refused.value).rstrip(".").split()
    enough = int(words[-1].removesuffix("MiB")) * 2**20
    assert plan_job(replace(files.job(), memory=enough)).plan.strip > 0


def test_a_wrong_derivative_fails_and_is_named(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_element_off(*arguments: object, **options: object) -> Array:
        strip = hessian_strip(*arguments, **options)  # type: ignore[arg-type]
        strip[13, 20] += 1e-5 * np.linalg.norm(strip[13])
        return strip

    monkeypatch.setattr("jachess.batch.quantities.hessian.hessian_strip", one_element_off)
    prepared = plan_job(files.job())
    labels = axis_labels(prepared.plan, prepared.network)
    store = create_store(tmp_path / "out.zarr", prepared.plan, {"state": "running"}, labels)
    context = Context(prepared.network, prepared.head, prepared.source, prepared.plan)
    counts = {name: QUANTITIES[name].n_blocks(prepared.plan) for name in prepared.plan.quantities}
    for name, n_blocks in counts.items():
        write_blocks(context, store, name, range(n_blocks))
    for name, n_blocks in counts.items():
        read_back_blocks(QUANTITIES[name].stored_check(context), store, name, range(n_blocks))
    verdict = seal(store, agreement_of(context))
    assert not verdict.passed
    assert store.attributes["state"] == "failed"
    assert "1 of 51 rows of hessian disagree" in verdict.sentence()
    assert "weight hidden.weight[3, 1]" in verdict.sentence()


@pytest.mark.parametrize(
    ("array", "place", "named"),
    [
        ("hessian", (7, 40), "hidden.weight[1, 3]"),
        ("hessian", (40, 7), "output.weight[1, 4]"),
        ("jacobian", (123, 1, 2), "point 123, output 1"),
        ("gradient", (5,), "direction"),
        ("outputs", (77, 2), "point 77, output 2"),
    ],
)
def test_what_is_stored_wrong_is_never_sealed_as_verified(
    files: Files, result: Path, tmp_path: Path, array: str, place: tuple[int, ...], named: str
) -> None:
    """A right block that changed on its way into the store, after its own check: reading back finds it."""
    copy = Path(shutil.copytree(result, tmp_path / "copy.zarr"))
    stored = zarr.open_array(copy / array, mode="r+")
    stored[place] = stored[place] + 1e-4 * np.abs(stored[:]).max()
    for name in Store(copy).plan.quantities:
        shutil.rmtree(copy / f"{name}_read_back" / "c")
    outcome = run_job(replace(files.job(), out=str(copy)))
    assert outcome.n_computed == 0
    assert [name for name, finding in outcome.verdict.findings.items() if finding.failed] == [array]
    assert named in outcome.verdict.sentence()
    assert Store(copy).attributes["state"] == "failed"


def test_recomputed_blocks_are_read_back_again(files: Files, result: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(result, tmp_path / "copy.zarr"))
    proof = copy / "hessian_read_back" / "c" / "0"
    before = proof.stat().st_mtime_ns
    (copy / "hessian" / "c" / "0" / "0").unlink()
    run_job(replace(files.job(), out=str(copy)))
    assert proof.stat().st_mtime_ns > before


def test_points_without_weights(files: Files, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="weights"):
        plan_job(replace(files.job(), weights=("absent",)))


@pytest.mark.slow
def test_a_block_that_cannot_be_written_leaves_the_run_incomplete(files: Files, result: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(result, tmp_path / "copy.zarr"))
    shutil.rmtree(copy / "gradient" / "c")
    (copy / "gradient" / "c").write_text("a file where a folder should be")
    with pytest.raises(IncompleteError, match="gradient, all weights"):
        run_job(replace(files.job(), out=str(copy)))
    (copy / "gradient" / "c").unlink()
    assert run_job(replace(files.job(), out=str(copy))).verdict.passed
    assert chunks(copy) == chunks(result)
