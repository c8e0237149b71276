"""Every analysis of stored Jacobians equals NumPy's on the array in memory, and keeps to its memory."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

import jachess
from jachess.errors import IncompleteError, InputError
from jachess.network.graph import Array
from jachess.result.jacobian import Jacobian
from jachess.result.source import Source
from tests.result.conftest import Stored


@pytest.fixture(scope="session")
def make(wide: Path) -> Callable[..., Jacobian]:
    """Any Jacobians as if they were stored."""
    axes = jachess.open_result(wide / "both.zarr").jacobian.axes

    def jacobian(values: Array, points: int, memory: int) -> Jacobian:
        chunks = (points, *values.shape[1:])
        array = zarr.create_array(zarr.storage.MemoryStore(), shape=values.shape, chunks=chunks, dtype=values.dtype)
        array[:] = values
        lengths = zip(axes, values.shape, strict=True)
        return Jacobian(
            Source(array, "jacobian"), tuple(replace(a, length=n) for a, n in lengths), memory, lambda: None
        )

    return jacobian


def test_sensitivities(stored: Stored) -> None:
    exact, found = stored.jacobian, stored.result.jacobian.sensitivity()
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(found.mean_magnitude, np.abs(exact).mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.root_mean_square, np.sqrt((exact**2).mean(axis=0)), rtol=1e-13)
    np.testing.assert_array_equal(found.largest, np.abs(exact).max(axis=0))


@pytest.mark.parametrize("count", [None, 1, 3, 99])
def test_singular_values(stored: Stored, count: int | None) -> None:
    expected = np.linalg.svd(stored.jacobian, compute_uv=False)[:, :count]
    np.testing.assert_allclose(stored.result.jacobian.singular_values(count), expected, atol=1e-15)


@pytest.mark.parametrize(("side", "term"), [("inputs", "nki,nkj->ij"), ("outputs", "nkd,nld->kl")])
def test_average_grams_and_their_leading_directions(stored: Stored, side: str, term: str) -> None:
    expected = np.einsum(term, stored.jacobian, stored.jacobian) / len(stored.jacobian)
    np.testing.assert_allclose(stored.result.jacobian.mean_gram(side), expected, atol=1e-15)
    found = stored.result.jacobian.active_subspace(3, side=side)
    np.testing.assert_allclose(found.values, np.linalg.eigvalsh(expected)[::-1][:3], atol=1e-15)
    np.testing.assert_allclose(expected @ found.vectors, found.vectors * found.values, atol=1e-14)


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_directions_of_a_gram_that_does_not_fit(make: Callable[..., Jacobian], side: str) -> None:
    values = np.random.default_rng(0).normal(size=(5, 60, 90)) * 0.5 ** np.arange(90)
    jacobian = make(values if side == "inputs" else values.transpose(0, 2, 1).copy(), points=1, memory=450_000)
    gram = np.einsum("nki,nkj->ij", values, values) / 5
    found = jacobian.active_subspace(2, side=side)
    np.testing.assert_allclose(found.values, np.linalg.eigvalsh(gram)[::-1][:2], rtol=1e-10)
    np.testing.assert_allclose(gram @ found.vectors, found.vectors * found.values, atol=1e-6)


@pytest.mark.parametrize("kind", ["number", "variances", "matrix"])
def test_covariances_are_propagated(stored: Stored, kind: str) -> None:
    random = np.random.default_rng(0).normal(size=(8, 8))
    sigma = {"number": np.float64(0.3), "variances": np.arange(1.0, 9), "matrix": random @ random.T}[kind]
    full = sigma if sigma.ndim == 2 else sigma * np.eye(8)
    expected = stored.jacobian @ full @ stored.jacobian.swapaxes(1, 2)
    np.testing.assert_allclose(stored.result.jacobian.propagate(sigma), expected, atol=1e-13)
    found = stored.result.jacobian.propagate(sigma, variances=True)
    np.testing.assert_allclose(found, np.einsum("nkk->nk", expected), atol=1e-13)


def test_float32_jacobians_are_summed_in_float64(make: Callable[..., Jacobian]) -> None:
    values = np.random.default_rng(0).normal(size=(50, 2, 3)).astype(np.float32)
    exact = values.astype(np.float64)
    jacobian = make(values, 7, 10**6)
    np.testing.assert_allclose(jacobian.sensitivity().mean, exact.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(jacobian.singular_values(), np.linalg.svd(exact, compute_uv=False), rtol=1e-13)


ANALYSES: dict[str, Callable[[Jacobian], object]] = {
    "sensitivity": lambda j: j.sensitivity(),
    "singular values": lambda j: j.singular_values(),
    "gram": lambda j: j.mean_gram(),
    "active subspace": lambda j: j.active_subspace(1, side="outputs"),
    "covariances": lambda j: j.propagate(1.0),
}


@pytest.mark.parametrize("name", ANALYSES)
def test_no_analysis_holds_more_than_the_memory(make: Callable[..., Jacobian], name: str) -> None:
    """Jacobians of 4.8 MB, within 1.5 MB."""
    memory = 1_500_000
    jacobian = make(np.random.default_rng(0).normal(size=(1000, 10, 60)), 20, memory)
    tracemalloc.start()
    try:
        ANALYSES[name](jacobian)
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ANALYSES)
def test_too_little_memory_is_refused(make: Callable[..., Jacobian], name: str) -> None:
    with pytest.raises(InputError, match="memory"):
        ANALYSES[name](make(np.ones((100, 10, 60)), 20, 50_000))


def test_what_does_not_fit_is_refused(stored: Stored) -> None:
    jacobian = stored.result.jacobian
    for wrong in (np.ones(7), np.ones((8, 7)), np.nan):
        with pytest.raises(InputError, match="covariance"):
            jacobian.propagate(wrong)
    for count in (0, 9):
        with pytest.raises(InputError, match="1 to 8"):
            jacobian.active_subspace(count)
    with pytest.raises(InputError, match="side"):
        jacobian.mean_gram("middle")


def test_incomplete_jacobians_are_not_analysed(wide: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(wide / "both.zarr", tmp_path / "copy.zarr"))
    (copy / "jacobian" / "c" / "1" / "0" / "0").unlink()
    for analysis in ANALYSES.values():
        with pytest.raises(IncompleteError, match="blocks of jacobian are missing"):
            analysis(jachess.open_result(copy).jacobian)
