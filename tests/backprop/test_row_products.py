"""Products of rows with directions: of all rows at once, in pieces, and of one row at a time are the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jachess.backprop import row_products
from jachess.backprop.row_products import finite_rows, products, products_along
from jachess.network.graph import Array

RANDOM = np.random.default_rng(4)
DIRECTIONS = RANDOM.normal(size=(2, 7))


def matrix(n_rows: int, scale: float, dtype: type) -> Array:
    return (scale * RANDOM.normal(size=(n_rows, 7))).astype(dtype)


ROWS = {
    "float64": matrix(5, 1, np.float64),
    "float32": matrix(5, 1, np.float32),
    "no rows": matrix(0, 1, np.float64),
    "zeros": np.zeros((5, 7)),
    "one row of zeros": matrix(5, 1, np.float32) * np.array([[1], [0], [1], [1], [1]], np.float32),
    "squares vanish": matrix(5, 1e-200, np.float64),
    "squares overflow": matrix(5, 1e200, np.float64),
    "of all sizes": matrix(5, 1, np.float64) * 10.0 ** np.array([[-250], [-150], [0], [150], [250]]),
    "nearly subnormal": matrix(5, 1e-37, np.float32),
}


@pytest.mark.parametrize("terms", [1, 16, 1 << 16])
@pytest.mark.parametrize("turned", [False, True], ids=["rows together", "columns together"])
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS.keys())
def test_products_with_several_directions_are_those_with_each(
    rows: Array, turned: bool, terms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_products, "TERMS", terms)
    found = products_along(np.asfortranarray(rows) if turned else rows, list(DIRECTIONS))
    for direction, (product, rounding) in zip(DIRECTIONS, found, strict=True):
        wanted, its_rounding = products(rows, direction[None])
        terms_of_row = np.abs(rows.astype(np.float64) * direction).sum(axis=1)
        assert (np.abs(product - wanted) <= 1e-15 * terms_of_row).all()
        np.testing.assert_allclose(rounding, its_rounding, rtol=1e-13)


@given(cuts=st.lists(st.integers(0, 7), max_size=4), turned=st.booleans())
def test_pieces_add_up_to_whole_rows(cuts: list[int], turned: bool) -> None:
    rows, edges = ROWS["float64"], sorted({0, *cuts, 7})

    def pieces() -> Iterator[tuple[slice, Array]]:
        for start, stop in pairwise(edges):
            piece = rows[:, start:stop]
            yield slice(start, stop), np.asfortranarray(piece) if turned else piece

    found, finite = row_products.row_products(list(DIRECTIONS), slice(10, 15), pieces)
    assert finite.all()
    for (product, rounding), (wanted, its) in zip(found, products_along(rows, list(DIRECTIONS)), strict=True):
        np.testing.assert_allclose(product, wanted, atol=1e-14)
        np.testing.assert_allclose(rounding, its, rtol=1e-13)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_told(wrong: float) -> None:
    """Also from rows whose product alone overflows."""
    rows = np.ones((4, 7))
    rows[1, 3], rows[2], directions = wrong, 1e308, [np.ones(7), DIRECTIONS[0]]
    assert finite_rows(rows, products_along(rows, directions)).tolist() == [True, False, True, True]
