"""The benchmarks' own arithmetic, and our side of them without any peer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import contender, job, other_checkers
from benchmarks.cases import HESSIANS, JACOBIANS, Case
from benchmarks.contender import Contender
from benchmarks.kernels import measure
from benchmarks.peers import ours
from benchmarks.scheduling import measure_scheduling

SMALL = Case("hessian", (3, 4, 2), n_points=16)


@pytest.mark.slow
@pytest.mark.parametrize("quantity", ["hessian", "jacobian"])
def test_our_side_alone(quantity: str) -> None:
    (outcome,) = measure([replace(SMALL, quantity=quantity)], {}, turns=2)
    assert outcome.ours.seconds > 0
    assert outcome.ours.n_turns == 2
    assert outcome.gemm_rate > 1e8
    assert outcome.peers == outcome.failed == ()


def test_other_numbers_are_noticed() -> None:
    result = ours.hessian(SMALL)()
    wrong = result.copy()
    wrong[3, 5] += 1e-6 * np.linalg.norm(result)
    (right, (norm,)), (other, _) = contender._projections(result), contender._projections(wrong)
    assert max(abs(a - b) for a, b in zip(right, other, strict=True)) > 1e-8 * norm


def test_a_contender_that_dies_is_no_contender() -> None:
    one = Contender("python3", "nobody", "nothing", SMALL)
    assert one.first is None
    one.close()


@pytest.mark.parametrize("case", HESSIANS, ids=lambda case: case.name)
def test_operations_are_well_under_those_of_all_products(case: Case) -> None:
    """The formula's own operations: less than 2NW², more than the upper triangle's quarter of them."""
    assert 0.25 < case.operations() / (2 * case.n_points * case.n_weights**2 / 2) < 1.6


def test_operations_through_a_bottleneck() -> None:
    """784-256-16-256-784: 16 rows to either side, then 784 × 16 × 784 (a hand count)."""
    case = next(case for case in JACOBIANS if case.name == "784-256-16-256-784")
    assert case.operations() == 2 * 1024 * (2 * 16 * 256 * 784 + 784 * 16 * 784)


@pytest.mark.slow
def test_a_whole_job_in_its_parts() -> None:
    shares = job.measure_job(SMALL)
    assert 0 < shares.kernel <= shares.computing
    assert shares.n_bytes >= 8 * SMALL.n_weights**2
    assert len(shares.lines()) == 3


@pytest.mark.slow
def test_many_trivial_blocks(tmp_path: Path) -> None:
    cost = measure_scheduling(300, tmp_path, workers=1)
    assert cost.cpu_seconds > 0
    assert len(cost.lines()) == 3


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", other_checkers.CASES, ids=lambda case: case.name)
def test_our_side_of_the_comparison_of_checkers(case: other_checkers.Case, dtype: str) -> None:
    answer = other_checkers.ask_jachess(case.draw(0, dtype))
    assert answer in case.answers or (dtype, answer) == ("float32", other_checkers.NOTHING)
