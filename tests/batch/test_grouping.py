"""Many blocks in one task: none is lost or done twice, and one that fails takes no other with it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jachess.batch.grouping import LARGEST, TASK_SECONDS, Pace, Queue
from jachess.batch.new_store import create_store
from jachess.batch.plan import Plan
from jachess.batch.prepare import axis_labels
from jachess.batch.quantities import QUANTITIES, Context
from jachess.batch.run import plan_job, run_job
from jachess.batch.stages import COMPUTE
from jachess.batch.store import Store, chunk_key
from jachess.errors import IncompleteError
from tests.batch.runs import chunks
from tests.conftest import Files


@given(
    counts=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 300)), max_size=4),
    pace=st.lists(st.tuples(st.sampled_from("abc"), st.floats(1e-4, 10)), max_size=20),
    n_threads=st.integers(1, 50),
)
def test_every_block_goes_into_one_task(
    counts: list[tuple[str, int]], pace: list[tuple[str, float]], n_threads: int
) -> None:
    blocks = [(name, number) for name, count in dict(counts).items() for number in range(count)]
    queue, measured = Queue(blocks), Pace(n_threads)
    seconds, events = 0.0, itertools.chain(pace, itertools.repeat(("a", 1e-3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jachess.batch.grouping.time.monotonic", lambda: seconds)
        taken = []
        while (task := queue.take(measured))[1]:
            name, numbers = task
            assert 1 <= len(numbers) <= LARGEST
            taken += [(name, number) for number in numbers]
            which, each = next(events)
            seconds += each * len(numbers)
            measured.finished(which, len(numbers))
    assert taken == blocks


def test_tasks_grow_until_they_take_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, pace = [0.0], Pace(n_threads=2)
    monkeypatch.setattr("jachess.batch.grouping.time.monotonic", lambda: seconds[0])
    for each in [0.01] * 2000 + [5.0] * 3:  # 10 ms a block of two threads, then slow ones
        size = pace.size("a", 10**6)
        pace.finished("a", size)
        seconds[0] += each * size / 2
        if each < 1:
            grown = size
    assert grown == pytest.approx(TASK_SECONDS / 0.01, rel=0.2)
    assert pace.size("a", 10**6) == 1
    assert Pace(2).size("b", 10**6) == 1


def trivial(files: Files, out: Path, points: int = 1) -> Store:
    """An empty store for outputs and Jacobians in blocks of so many points."""
    prepared = plan_job(files.job(compute=["outputs", "jacobian"]))
    plan = replace(prepared.plan, points_per_block=points)
    return create_store(out, plan, {"state": "running"}, axis_labels(plan, prepared.network))


@pytest.mark.slow
def test_a_block_that_fails_takes_no_other_with_it(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jachess.batch.grouping._INTERVAL", 0.0)
    job = files.job(compute=["outputs", "jacobian"])
    grouped, stuck = (trivial(files, tmp_path / name) for name in ("grouped.zarr", "stuck.zarr"))
    obstacle = Path(stuck.storage.address(chunk_key("jacobian", (150, 0, 0))))
    obstacle.mkdir(parents=True)
    with pytest.raises(IncompleteError, match=r"1 blocks are missing.*\njacobian, points 150 to 150"):
        run_job(replace(job, out=str(stuck.storage)))
    assert np.flatnonzero(~stuck.done("jacobian")).tolist() == [150]
    obstacle.rmdir()
    assert run_job(replace(job, out=str(stuck.storage))).n_computed == 1
    assert run_job(replace(job, out=str(grouped.storage))).n_computed == 400
    assert chunks(tmp_path / "stuck.zarr") == chunks(tmp_path / "grouped.zarr")


@pytest.mark.parametrize("triangle", ["both", "upper"])
def test_blocks_write_the_chunks_they_own(files: Files, triangle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every chunk of every array is written by one block, or by none; the receipt is the last."""
    monkeypatch.setattr("jachess.batch.planning.FEWEST_ROWS", 16)
    prepared = plan_job(files.job(triangle=triangle))
    plan: Plan = prepared.plan
    context = Context(prepared.network, prepared.head, prepared.source, plan)
    for record in QUANTITIES.values():
        specs = {spec.name: spec for spec in COMPUTE.receipts(record, plan)}
        found = {name: np.full(spec.grid, -1) for name, spec in specs.items()}
        for block in range(record.n_blocks(plan)):
            for name, region, _ in record.compute(context, block):
                where = tuple(
                    slice(span.start // chunk, -(-span.stop // chunk))
                    for span, chunk in zip(region, specs[name].chunks, strict=True)
                )
                assert (found[name][where] == -1).all()
                found[name][where] = block
            assert name == record.receipt
        for name, spec in specs.items():
            np.testing.assert_array_equal(found[name], spec.owners)
            assert (spec.owners == -1).sum() == spec.left_out
