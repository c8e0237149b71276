"""Sums over many points, split into ranges: right, checked, and the same bytes whoever computes them and is killed."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import jachess
from jachess.batch.quantities.ranges import n_ranges, pairwise_sum, range_span, worst_of_ranges
from jachess.batch.run import plan_job, run_job
from jachess.batch.shards import finalize, plan_shards, run_shard
from jachess.errors import IncompleteError
from jachess.network.graph import Array
from tests.batch.runs import chunks, ended, kill_group, run_here, start
from tests.batch.sabotage import environment, sabotaged
from tests.batch.test_bucket import objects
from tests.conftest import Files, longer, save_model
from tests.object_store import ObjectStore

N_POINTS = 33_000
SUMS = ("gradient", "hessian", "outer_product")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A job of more points than one range holds."""
    folder, numbers = tmp_path_factory.mktemp("many"), np.random.default_rng(2)
    points, targets = numbers.normal(size=(N_POINTS, 4)), numbers.integers(0, 3, N_POINTS)
    save_model(folder / "model.onnx")
    np.save(folder / "points.npy", points)
    np.save(folder / "targets.npy", targets)
    return Files(folder, points, targets)


def flags(many: Files, out: Path | str, workers: int) -> list[str]:
    files = [f"--{name}={many.folder}/{file}" for name, file in
             (("network", "model.onnx"), ("points", "points.npy"), ("targets", "targets.npy"))]  # fmt: skip
    computed = [f"--{name.replace('_', '-')}" for name in SUMS]
    return [*files, *computed, "--error", "cross-entropy", "--out", str(out), "--workers", str(workers)]


@pytest.fixture(scope="module")
def alone(many: Files) -> Path:
    """What one worker makes of it."""
    out = many.folder / "alone.zarr"
    printed, _ = ended(start(flags(many, out, 1)), 0)
    assert "verified" in printed
    return out


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=70))
def test_pairs_add_up(numbers: list[float]) -> None:
    held = []

    def parts() -> Iterator[np.ndarray]:
        for number in numbers:
            held.append(number)
            yield np.array([number])

    assert pairwise_sum(parts())[0] == pytest.approx(sum(numbers), abs=1e-8)
    assert held == numbers


@pytest.mark.parametrize("n_points", [1, 1000, 16_384, 100_000, 10**6 + 1])
@pytest.mark.parametrize("n_sums", [1, 3, 16, 32, 64, 1000])
def test_ranges_cover_the_points_once(many: Files, n_sums: int, n_points: int) -> None:
    plan = replace(plan_job(many.job(compute=list(SUMS))).plan, n_points=n_points)
    spans = [range_span(plan, n_sums, number) for number in range(n_ranges(plan, n_sums))]
    assert [(span.start, span.stop) for span in spans] == list(pairwise([span.start for span in spans] + [n_points]))
    assert spans[0].start == 0
    assert len(spans) * n_sums <= max(64, n_sums)


def test_a_range_without_a_verdict_is_not_hidden() -> None:
    nan = np.nan
    found = worst_of_ranges(np.array([[0.1, nan, nan, nan], [0.3, 0.2, 2.0, nan]]))
    np.testing.assert_array_equal(found, [0.3, nan, 2.0, nan])


@pytest.mark.slow
def test_the_sums_are_those_of_all_points(many: Files, alone: Path) -> None:
    stored = zarr.open_group(alone, mode="r")
    net = jachess.read_network(many.folder / "model.onnx")
    arguments = (net, many.points, many.targets)
    for name, wanted in (
        ("gradient", jachess.gradient(*arguments, error="cross-entropy")),
        ("hessian", jachess.hessian(*arguments, error="cross-entropy")),
    ):
        np.testing.assert_allclose(stored[name][:], wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
    assert set(zarr.open_group(alone).group_keys()) == set()
    assert np.isfinite(stored["hessian_sample"][:]).all()
    validated, _ = ended(start([str(alone)], "validate"), 0)
    assert "verified" in validated


@pytest.mark.slow
def test_the_same_bytes_from_many_workers(many: Files, alone: Path, tmp_path: Path) -> None:
    ended(start(flags(many, tmp_path / "out.zarr", 4)), 0)
    assert chunks(tmp_path / "out.zarr") == chunks(alone)


@pytest.mark.slow
def test_the_same_bytes_in_a_bucket(many: Files, alone: Path, server: ObjectStore) -> None:
    """Though answers fail, and all processes die while a sum is added up."""
    out, folder = "s3://bucket/ranges/out.zarr", many.folder / "torn"
    folder.mkdir()
    with server.faults.failing(0.05):
        ended(start(flags(many, out, 2), variables=environment(folder, {"hessian 0": "die"})), 3)
        ended(start(flags(many, out, 2)), 0)
    assert objects(out) == chunks(alone)


@pytest.mark.slow
def test_the_same_bytes_after_kills(many: Files, alone: Path, tmp_path: Path) -> None:
    """All processes die in the middle of a part, of a sum, of a comparison; and at random moments."""
    arguments, kept = flags(many, tmp_path / "out.zarr", 2), []
    for block in ("partial_sums/hessian 2", "hessian 0", "partial_sums/differences 3"):
        ended(start(arguments, variables=environment(tmp_path, {block: "tear"})), -signal.SIGKILL)
        kept.append(len(list((tmp_path / "out.zarr" / "partial_sums").rglob("c/*"))))
    assert kept == sorted(kept)
    moments = random.Random(0)
    for _ in range(3):
        run = start(arguments)
        try:
            run.wait(timeout=moments.uniform(0.5, 3))
        except subprocess.TimeoutExpired:
            kill_group(run)
        else:
            run.communicate()
    ended(start(arguments), 0)
    assert chunks(tmp_path / "out.zarr") == chunks(alone)


@pytest.mark.slow
def test_a_damaged_part_is_computed_again(many: Files, alone: Path, tmp_path: Path) -> None:
    """Found when it is added: all parts of that sum are there by then."""
    job = many.job(str(tmp_path / "out.zarr"), compute=list(SUMS))
    with sabotaged(tmp_path, {"hessian 0": "die"}), pytest.raises(IncompleteError):
        run_job(job)
    chunk = tmp_path / "out.zarr" / "partial_sums" / "hessian" / "c" / "1" / "0" / "0"
    damaged = bytearray(chunk.read_bytes())
    damaged[100] ^= 1
    chunk.write_bytes(damaged)
    assert run_job(job).verdict.passed
    assert chunks(tmp_path / "out.zarr") == chunks(alone)


@pytest.mark.parametrize(
    "wrong",
    [lambda parts: pairwise_sum(parts[1:]), lambda parts: pairwise_sum([*parts, parts[2]])],
    ids=["left out", "counted twice"],
)
@pytest.mark.parametrize("name", longer(SUMS, but=["hessian"]))
def test_a_part_that_is_not_counted_once_is_found(
    many: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wrong: Callable[[list[Array]], Array]
) -> None:
    module = "gradient" if name == "gradient" else "hessian_sums"
    monkeypatch.setattr(
        f"jachess.batch.quantities.{module}.pairwise_sum",
        lambda parts: wrong(list(parts)),
    )
    assert run_here(many.job(str(tmp_path / "out.zarr"), compute=[name])).attributes["state"] == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"triangle": "upper"}, {"dtype": "float32"}], ids=str)
def test_sums_as_they_are_stored(many: Files, alone: Path, tmp_path: Path, changes: dict[str, str]) -> None:
    store = run_here(many.job(str(tmp_path / "out.zarr"), compute=list(SUMS), **changes))
    assert store.attributes["state"] == "complete"
    found, wanted = store.array("hessian")[:], zarr.open_group(alone, mode="r")["hessian"][:]
    np.testing.assert_array_equal(found, wanted.astype(found.dtype))


@pytest.mark.parametrize("passes", longer([1, 3], but=[3]))
def test_shards_make_the_same_bytes(many: Files, alone: Path, tmp_path: Path, passes: int) -> None:
    """In one pass no shard has all partial sums, so that the whole is added up in the end."""
    job = many.job(compute=list(SUMS), out=str(tmp_path / "out.zarr"))
    plan_shards(job, 2)
    for index in [1, 0] * passes:
        run_shard(job, index)
    assert finalize(job).verdict.passed
    assert chunks(tmp_path / "out.zarr") == chunks(alone)
