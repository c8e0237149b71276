"""Strips of the second derivatives: they cover all rows, have about as much work each, and give whole rows again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jachess.batch.plan import Plan
from jachess.batch.quantities import QUANTITIES
from jachess.batch.quantities.array_spec import Region
from jachess.batch.quantities.rows_of_chunks import both_sides, chunk_rows, row_pieces, tall_strips
from jachess.batch.run import plan_job
from jachess.network.graph import Array
from tests.conftest import Files

EDGE = 5


@given(st.integers(1, 5000), st.integers(1, 700))
def test_strips_cover_the_rows_and_none_is_larger_than_the_first(n_weights: int, edge: int) -> None:
    strips = tall_strips(n_weights, edge)
    assert [0, *(rows.stop for rows in strips)] == [*(rows.start for rows in strips), n_weights]
    assert all(rows.start % edge == 0 and rows.start < rows.stop for rows in strips)
    elements = [(rows.stop - rows.start) * (n_weights - rows.start) for rows in strips]
    assert max(elements) <= edge * n_weights


@pytest.mark.parametrize("triangle", ["both", "upper"])
@pytest.mark.parametrize("tall", [True, False], ids=["tall", "of an earlier version"])
@pytest.mark.parametrize("n_weights", [1, 5, 23, 49, 170])
def test_whole_rows_of_what_strips_store(files: Files, triangle: str, tall: bool, n_weights: int) -> None:
    """Chunks that no strip owns are never read."""
    plan = replace(plan_job(files.job()).plan, n_weights=n_weights, strip=EDGE, triangle=triangle, dtype="float64")
    assert plan.tall
    earlier = Plan.from_dict({name: value for name, value in plan.as_dict().items() if name != "tall"})
    plan = plan if tall else earlier
    strips = [QUANTITIES["hessian"].rows(plan, block)[0] for block in range(QUANTITIES["hessian"].n_blocks(plan))]
    assert strips == list((tall_strips if tall else chunk_rows)(n_weights, EDGE))
    numbers = np.random.default_rng(0).normal(size=(n_weights, n_weights))
    whole, stored = numbers + numbers.T, np.full((n_weights, n_weights), np.nan)
    owners = QUANTITIES["hessian"].arrays(plan)[0].owners
    for block, rows in enumerate(strips):
        for _, (down, across), part in both_sides(plan, "hessian", rows, whole[rows, rows.start :]):
            chunks = owners[down.start // EDGE : -(-down.stop // EDGE), across.start // EDGE : -(-across.stop // EDGE)]
            assert (chunks == block).all()
            assert np.isnan(stored[down, across]).all()
            stored[down, across] = part

    def read(name: str, region: Region) -> Array:
        found = stored[region]
        assert not np.isnan(found).any()
        return found

    for rows in strips:
        pieces = list(row_pieces(plan, read, "hessian", rows))
        assert [columns.start for columns, _ in pieces] == list(range(0, n_weights, EDGE))
        np.testing.assert_array_equal(np.concatenate([piece for _, piece in pieces], axis=1), whole[rows])
