"""Every analysis of a stored Hessian equals NumPy's on the matrix in memory, and keeps to its memory."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import jachess
from jachess.errors import IncompleteError, InputError
from jachess.network.graph import Array
from jachess.result import spectrum
from jachess.result.source import Source
from jachess.result.symmetric import SymmetricMatrix
from jachess.result.woodbury import woodbury_inverse
from tests.result.conftest import TENSORS, Stored


@pytest.fixture(scope="session")
def make(wide: Path) -> Callable[..., SymmetricMatrix]:
    """Any symmetric matrix as if it were stored, with three tensors."""
    result = jachess.open_result(wide / "both.zarr")

    def matrix(dense: Array, edge: int = 64, memory: int = 2**30) -> SymmetricMatrix:
        array = zarr.create_array(zarr.storage.MemoryStore(), shape=dense.shape, chunks=(edge, edge), dtype=dense.dtype)
        array[:] = dense
        size, part = len(dense), len(dense) // 3
        weights = (("a", (part,), 0), ("b", (part,), part), ("c", (size - 2 * part,), 2 * part))
        plan = replace(result.plan, n_weights=size, weights=weights)
        axes = tuple(replace(axis, length=size, plan=plan) for axis in result.hessian.axes)
        return SymmetricMatrix(Source(array, "matrix"), axes, memory, lambda: None)

    return matrix


def random_symmetric(size: int, seed: int = 0, least: float | None = None) -> Array:
    """Random, with a decaying spectrum; positive definite if its least eigenvalue is given."""
    random = np.random.default_rng(seed)
    vectors = np.linalg.qr(random.normal(size=(size, size)))[0]
    values = random.normal(size=size) * 2.0 ** -np.arange(size).clip(0, 12)
    if least is not None:
        values = np.abs(values) + least
    return np.asarray((vectors * values) @ vectors.T)


def test_products(stored: Stored) -> None:
    hessian, exact = stored.result.hessian, stored.hessian
    v = np.random.default_rng(0).normal(size=(229, 3))
    np.testing.assert_allclose(hessian.product(v), exact @ v, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(hessian.product(v[:, 0]), exact @ v[:, 0], rtol=1e-12, atol=1e-11)
    operator = hessian.linear_operator()
    np.testing.assert_allclose(operator @ v, exact @ v, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(operator.T @ v[:, 1], exact @ v[:, 1], rtol=1e-12, atol=1e-11)
    with pytest.raises(InputError, match="wrong shape"):
        hessian.product(v[:-1])


def test_norms_and_trace(stored: Stored) -> None:
    hessian, exact = stored.result.hessian, stored.hessian
    assert hessian.trace() == pytest.approx(np.trace(exact), rel=1e-13)
    np.testing.assert_array_equal(hessian.diagonal(), np.diag(exact))
    assert hessian.frobenius_norm() == pytest.approx(np.linalg.norm(exact), rel=1e-13)
    norms = hessian.pair_norms()
    assert norms.tensors == tuple(TENSORS)
    blocks = [[exact[a, b] for b in TENSORS.values()] for a in TENSORS.values()]
    np.testing.assert_allclose(norms.frobenius, [[np.linalg.norm(b) for b in row] for row in blocks], rtol=1e-13)
    np.testing.assert_array_equal(norms.largest, [[np.abs(b).max() for b in row] for row in blocks])


@pytest.mark.parametrize("pixels", [1, 7, 100, 512])
def test_a_picture_shows_the_largest_magnitudes(stored: Stored, pixels: int) -> None:
    picture = stored.result.hessian.picture(pixels)
    edges = np.linspace(0, 229, min(pixels, 229), endpoint=False).astype(int)
    parts = [np.split(rows, edges[1:], axis=1) for rows in np.split(np.abs(stored.hessian), edges[1:], axis=0)]
    np.testing.assert_array_equal(picture, [[part.max() for part in row] for row in parts])


def test_the_largest_elements(stored: Stored) -> None:
    found = stored.result.hessian.largest(20)
    upper = np.triu(np.abs(stored.hessian))
    np.testing.assert_array_equal(np.abs(found.values), np.sort(upper.ravel())[::-1][:20])
    np.testing.assert_array_equal(found.values, stored.hessian[tuple(found.indices.T)])
    assert len(stored.result.hessian.largest(10**6).values) == 229 * 230 // 2


def test_eigenvalues(stored: Stored) -> None:
    expected = np.linalg.eigvalsh(stored.hessian)
    np.testing.assert_allclose(stored.result.hessian.eigenvalues(), expected, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("which", "method"),
    [
        ("largest", "auto"),
        ("largest", "lobpcg"),
        ("smallest", "auto"),
        ("smallest", "lanczos"),
        ("magnitude", "auto"),
    ],
)
@pytest.mark.parametrize("count", [1, 4])
def test_eigenpairs(stored: Stored, which: str, method: str, count: int) -> None:
    exact = stored.hessian
    values = np.linalg.eigvalsh(exact)
    order = {"largest": -values, "smallest": values, "magnitude": -np.abs(values)}[which]
    found = stored.result.hessian.eigenpairs(count, which=which, method=method)
    np.testing.assert_allclose(found.values, values[np.argsort(order)][:count], atol=1e-7 * np.abs(values).max())
    np.testing.assert_allclose(exact @ found.vectors, found.vectors * found.values, atol=2e-8 * np.linalg.norm(exact))
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(count), atol=1e-6)
    assert found.residuals.max() <= 1e-8 * np.linalg.norm(exact)


def test_all_eigenpairs_are_those_of_lapack(stored: Stored) -> None:
    found = stored.result.hessian.eigenpairs(229)
    np.testing.assert_allclose(found.values[::-1], np.linalg.eigvalsh(stored.hessian), atol=1e-10)


def test_the_smallest_eigenvalue_is_found_below_where_lanczos_thinks_it_is(
    make: Callable[..., SymmetricMatrix], monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = random_symmetric(300)
    monkeypatch.setattr(spectrum, "BEGIN", 2)
    found = make(dense).eigenpairs(3, which="smallest")
    np.testing.assert_allclose(found.values, np.linalg.eigvalsh(dense)[:3], atol=1e-8)


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"which": "middle"}, "largest, smallest"),
        ({"method": "power"}, "auto, lanczos"),
        ({"which": "magnitude", "method": "lobpcg"}, "auto, lanczos"),
        ({"count": 0}, "1 to 229"),
        ({"count": 230}, "1 to 229"),
    ],
)
def test_eigenpairs_that_cannot_be_had_are_refused(stored: Stored, keys: dict, wanted: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=wanted):
        stored.result.hessian.eigenpairs(**keys)


def test_what_does_not_converge_is_said(make: Callable[..., SymmetricMatrix], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrum, "MOST_PASSES", 1)
    dense = np.diag(np.linspace(0, 1, 600))
    for method in ("lanczos", "lobpcg"):
        with pytest.raises(InputError, match="converge"):
            make(dense).eigenpairs(5, method=method)


@settings(max_examples=8, deadline=None)
@given(steps=st.integers(1, 12), probes=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_density_has_the_moments_of_its_probes(stored: Stored, steps: int, probes: int, seed: int) -> None:
    """Gauss quadrature is exact for polynomials of degree below twice the steps."""
    density = stored.result.hessian.density(steps=steps, probes=probes, seed=seed)
    v = np.random.default_rng(seed).choice((-1.0, 1.0), (229, probes))
    scale, power = np.abs(np.linalg.eigvalsh(stored.hessian)).max(), v
    for degree in range(min(2 * steps, 12)):
        moments = (density.weights * (density.nodes / scale) ** degree).sum(axis=1)
        np.testing.assert_allclose(moments, (v * power).sum(axis=0) / 229, atol=1e-11)
        power = stored.hessian @ power / scale


def test_the_density_of_a_matrix_of_low_rank(make: Callable[..., SymmetricMatrix]) -> None:
    factor = np.random.default_rng(0).normal(size=(150, 4))
    density = make(factor @ factor.T).density(probes=20, steps=40)
    np.testing.assert_allclose(density.weights.sum(axis=1), 1, rtol=1e-12)
    estimate, error = density.trace_of(lambda x: x)
    assert abs(estimate - (factor**2).sum()) < 5 * error
    grid = np.linspace(-300, 600, 4001)
    assert density.at(grid, 5.0).sum() * (grid[1] - grid[0]) == pytest.approx(1, rel=1e-6)
    with pytest.raises(InputError, match="at least one"):
        make(np.eye(8)).density(probes=0)


@pytest.mark.parametrize("memory", [2**30, 300_000])
def test_a_cholesky_factor_solves_inverts_and_knows_the_determinant(
    make: Callable[..., SymmetricMatrix], memory: int
) -> None:
    """With little memory in several panels, whose rows of chunks are read again."""
    dense = random_symmetric(300, least=0.1)
    matrix = make(dense, memory=memory, edge=32)
    factor = matrix.cholesky(damping=0.05)
    damped = dense + 0.05 * np.eye(300)
    b = np.random.default_rng(1).normal(size=(300, 3))
    np.testing.assert_allclose(factor.solve(b), np.linalg.solve(damped, b), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(factor.solve(b[:, 0]), np.linalg.solve(damped, b[:, 0]), rtol=1e-10, atol=1e-10)
    assert factor.log_determinant == pytest.approx(np.linalg.slogdet(damped)[1], rel=1e-12)
    exact = np.linalg.inv(damped)
    np.testing.assert_allclose(factor.inverse_diagonal(), np.diag(exact), rtol=1e-10)
    np.testing.assert_allclose((factor.forward(b) ** 2).sum(axis=0), np.diag(b.T @ exact @ b), rtol=1e-10)
    upper = np.linalg.cholesky(damped).T
    np.testing.assert_allclose(factor.back(b), np.linalg.solve(upper, b), rtol=1e-10, atol=1e-10)
    inverse = factor.inverse()
    np.testing.assert_allclose(inverse.source.read((np.arange(300), np.arange(300))), exact, atol=1e-11)
    assert inverse.trace() == pytest.approx(np.trace(exact), rel=1e-11)
    np.testing.assert_allclose(inverse["a", "c"].values, exact[:100, 200:], atol=1e-11)


def test_the_hessian_itself_is_factorised_when_damped(stored: Stored) -> None:
    least = np.linalg.eigvalsh(stored.hessian)[0]
    factor = stored.result.hessian.cholesky(damping=1.0 - least)
    expected = np.linalg.slogdet(stored.hessian + (1 - least) * np.eye(229))[1]
    assert factor.log_determinant == pytest.approx(expected, rel=1e-12)
    with pytest.raises(InputError, match="larger damping"):
        stored.result.hessian.cholesky(damping=-0.9 * least if least < 0 else -2 * least)


def test_scratch_files_go_where_they_are_told_and_away_again(
    make: Callable[..., SymmetricMatrix], tmp_path: Path
) -> None:
    factor = make(np.eye(100)).cholesky(scratch=tmp_path)
    inverse = factor.inverse()
    assert len(list(tmp_path.iterdir())) == 2
    del factor
    assert inverse.trace() == pytest.approx(100)
    del inverse
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="no folder"):
        make(np.eye(100)).cholesky(scratch=tmp_path / "absent")


def test_the_inverse_of_the_outer_product_form_point_by_point() -> None:
    rows = np.random.default_rng(0).normal(size=(70, 40))
    expected = np.linalg.inv(0.3 * np.eye(40) + rows.T @ rows)
    for size in (1, 9, 70):
        blocks = [rows[start : start + size] for start in range(0, 70, size)]
        np.testing.assert_allclose(woodbury_inverse(blocks, damping=0.3), expected, atol=1e-12)
    for blocks, damping, wanted in (([], 1.0, "no vectors"), ([rows], 0.0, "more than 0")):
        with pytest.raises(InputError, match=wanted):
            woodbury_inverse(blocks, damping=damping)
    with pytest.raises(InputError, match="too small"):
        woodbury_inverse([np.ones((1, 100))], damping=1.0, memory=1000)


def test_distances_of_approximations(stored: Stored, make: Callable[..., SymmetricMatrix]) -> None:
    exact = stored.hessian
    other = make(exact + 0.01 * random_symmetric(229))
    blocks = np.zeros_like(exact)
    for part in TENSORS.values():
        blocks[part, part] = exact[part, part]
    found = stored.result.hessian.distances({"other": other})
    approximations = {"diagonal": np.diag(np.diag(exact)), "block-diagonal": blocks, "other": other[:].values}
    assert set(found) == set(approximations)
    for name, approximation in approximations.items():
        distance = np.linalg.norm(exact - approximation)
        assert found[name].absolute == pytest.approx(distance, rel=1e-12)
        assert found[name].relative == pytest.approx(distance / np.linalg.norm(exact), rel=1e-12)
    with pytest.raises(InputError, match="another size"):
        stored.result.hessian.distances({"other": make(np.eye(5))})


ANALYSES: dict[str, Callable[[SymmetricMatrix], object]] = {
    "product": lambda m: m.product(np.ones(len(m))),
    "pair norms": lambda m: m.pair_norms(),
    "largest": lambda m: m.largest(50),
    "picture": lambda m: m.picture(64),
    "distances": lambda m: m.distances(),
    "eigenpairs": lambda m: m.eigenpairs(1),
    "smallest": lambda m: m.eigenpairs(2, which="smallest"),
    "density": lambda m: m.density(probes=2, steps=10),
    "cholesky": lambda m: m.cholesky(damping=3).inverse_diagonal(),
    "inverse": lambda m: m.cholesky(damping=3).inverse().trace(),
}


@pytest.mark.parametrize("name", [name for name in ANALYSES if name != "smallest"])
def test_no_analysis_holds_more_than_the_memory(make: Callable[..., SymmetricMatrix], name: str) -> None:
    """A matrix of which half takes 3.6 MB, within 3 MB."""
    memory = 3_000_000
    random = np.random.default_rng(0).normal(size=(900, 900)) / 100
    matrix = make(random + random.T + 0.02, edge=100, memory=memory)
    tracemalloc.start()
    try:
        ANALYSES[name](matrix)
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "name", [name for name in ANALYSES if name not in ("pair norms", "largest", "picture", "distances")]
)
def test_too_little_memory_is_refused(make: Callable[..., SymmetricMatrix], name: str) -> None:
    with pytest.raises(InputError, match="more memory"):
        ANALYSES[name](make(np.eye(300), edge=64, memory=100_000))
    with pytest.raises(InputError, match="full spectrum needs more memory"):
        make(np.eye(300), edge=64, memory=500_000).eigenvalues()


def test_an_incomplete_hessian_is_not_analysed(wide: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(wide / "upper.zarr", tmp_path / "copy.zarr"))
    (copy / "hessian" / "c" / "1" / "2").unlink()
    result = jachess.open_result(copy)
    for analysis in ANALYSES.values():
        with pytest.raises(IncompleteError, match="1 of 3 blocks of hessian are missing"):
            analysis(result.hessian)
