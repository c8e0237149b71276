"""Eigenvalues of a stored symmetric matrix: some pairs, all values, or their density."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, lobpcg

from jachess.backprop.parallel import on_all_cores
from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.cholesky import factorise
from jachess.result.density import lanczos
from jachess.result.matrix import TiledMatrix
from jachess.result.norms import frobenius_norm
from jachess.result.products import StoredOperator

BEGIN = 100
"""Steps of Lanczos that tell about where the smallest eigenvalue is."""
MARGINS = (0.1, 0.5, 2.5, 12.5)
"""How much further down it may be than Lanczos finds, in turn."""
QUICK = 1500
"""Rows of a matrix whose full spectrum takes no longer than a second or two."""
FEW = 100
"""Rows of a matrix that is too small for iterations."""
GUARDS = 4
"""Vectors that LOBPCG carries besides those that are wanted: the last ones converge slowly."""
MOST_PASSES = 200
ENDS = {"largest": "LA", "smallest": "SA", "magnitude": "LM"}


@dataclass(frozen=True)
class Eigenpairs:
    """Some eigenvalues and eigenvectors, H v = λ v.

    Attributes
    ----------
    values : array (R,)
    vectors : array (W, R)
    residuals : array (R,)
        ‖H v − λ v‖: an eigenvalue lies within that distance of λ.
    n_products : int
        Passes over the matrix that it took.
    """

    values: Array
    vectors: Array
    residuals: Array
    n_products: int


def eigenpairs(
    matrix: TiledMatrix,
    count: int = 10,
    *,
    which: str = "largest",
    method: str = "auto",
    tolerance: float = 1e-8,
    seed: int = 0,
) -> Eigenpairs:
    """Some eigenvalues at one end of the spectrum, with their eigenvectors, by SciPy's algorithms.

    Parameters
    ----------
    matrix : TiledMatrix
    count : int
    which : {"largest", "smallest", "magnitude"}
        The largest first, the smallest (most negative) first, or the largest magnitude first.
    method : {"auto", "lanczos", "lobpcg", "inverse"}
        Lanczos and LOBPCG multiply with the matrix alone. The smallest eigenvalues of a Hessian lie close together,
        where neither converges; ``inverse`` is Lanczos on (H + λI)⁻¹, which draws them apart, by a Cholesky factor.
        ``auto`` is that for the smallest, else Lanczos.
    tolerance : float
        How small the residuals must be, relative to the Frobenius norm of the matrix.
    seed : int
        Chooses the vectors to begin with.

    Returns
    -------
    Eigenpairs

    Raises
    ------
    InputError
        If there are not so many, the method is unknown, it does not converge, or the memory is too small.
    """
    if which not in ENDS:
        raise InputError(f"which: unknown end of the spectrum (wanted {', '.join(ENDS)}; got {which!r}).")
    methods = {"largest": ("auto", "lanczos", "lobpcg"), "smallest": ("auto", "inverse", "lanczos", "lobpcg"),
               "magnitude": ("auto", "lanczos")}[which]  # fmt: skip
    if method not in methods:
        raise InputError(f"method: cannot find the {which} eigenpairs (wanted {', '.join(methods)}; got {method!r}).")
    size = len(matrix)
    if not 1 <= count <= size:
        raise InputError(f"eigenpairs: there are not so many (wanted 1 to {size}; got {count}).")
    basis = min(size, max(2 * count + 1, 20))
    operator = StoredOperator(matrix, 8 * size * (basis + 4 * count), f"{which} eigenpairs")
    random, scale = np.random.default_rng(seed), frobenius_norm(matrix)
    if 5 * count >= size or size < FEW:
        values, vectors = np.linalg.eigh(operator @ np.eye(size))
    elif method == "lobpcg":
        values, vectors = _lobpcg(operator, count, which == "largest", tolerance * scale, random)
    elif method == "inverse" or (method == "auto" and which == "smallest"):
        values, vectors = _inverse(operator, count, basis, tolerance, random)
    else:
        values, vectors = _lanczos(operator, count, ENDS[which], basis, tolerance, random)
    order = np.argsort({"largest": -values, "smallest": values, "magnitude": -np.abs(values)}[which])[:count]
    values, vectors = values[order], vectors[:, order]
    residuals = np.linalg.norm(operator @ vectors - vectors * values, axis=0)
    operator.passes.close()
    if residuals.max() > max(tolerance, 1e-13) * scale:
        raise InputError(
            f"eigenpairs: not converged in {operator.n_products} passes (wanted residuals below {tolerance * scale:g}; "
            f"got {residuals.max():g}). Ask for fewer, a larger tolerance, or another method ({', '.join(methods)})."
        )
    return Eigenpairs(values, vectors, residuals, operator.n_products)


@on_all_cores
def _lanczos(
    operator: LinearOperator, count: int, end: Any, basis: int, tolerance: float, random: np.random.Generator
) -> tuple[Array, Array]:
    start = random.standard_normal(operator.shape[0])
    try:
        values, vectors = eigsh(operator, count, which=end, ncv=basis, tol=tolerance, maxiter=MOST_PASSES, v0=start)
    except ArpackNoConvergence as error:
        raise InputError(f"eigenpairs: Lanczos did not converge ({error}). Ask for a larger tolerance.") from error
    return np.asarray(values), np.asarray(vectors)


@on_all_cores
def _lobpcg(
    operator: StoredOperator, count: int, largest: bool, tolerance: float, random: np.random.Generator
) -> tuple[Array, Array]:
    """Locally optimal block preconditioned conjugate gradients (Knyazev 2001), with some vectors more than wanted."""
    start = random.standard_normal((operator.shape[0], count + GUARDS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the residuals are looked at afterwards
        values, vectors = lobpcg(operator, start, largest=largest, tol=tolerance, maxiter=MOST_PASSES)
    return np.asarray(values, np.float64), np.asarray(vectors, np.float64)


def _inverse(
    operator: StoredOperator, count: int, basis: int, tolerance: float, random: np.random.Generator
) -> tuple[Array, Array]:
    """The smallest eigenvalues λ of H are the largest, 1/(λ + σ), of (H + σI)⁻¹ for σ just above −λ."""
    ritz = lanczos(operator, random.standard_normal((operator.shape[0], 1)), min(BEGIN, operator.shape[0]))[0]
    low, scale = float(ritz.min()), float(np.abs(ritz).max())
    operator.release()
    for margin in MARGINS:
        try:
            factor = factorise(operator.matrix, damping=max(0.0, -low) + margin * max(abs(low), 1e-6 * scale))
        except InputError:
            if margin == MARGINS[-1]:
                raise
            continue
        inverse = LinearOperator(operator.shape, matvec=factor.solve, dtype=np.float64)
        values, vectors = _lanczos(inverse, count, "LA", basis, tolerance, random)
        return 1 / values - factor.damping, vectors
    raise AssertionError


def eigenvalues(matrix: TiledMatrix) -> Array:
    """All eigenvalues (W,), ascending, by LAPACK: for a matrix that fits the memory whole.

    Raises
    ------
    InputError
        If it does not fit.
    """
    size = len(matrix)
    matrix.room(8 * size * (size + 64), "the full spectrum")
    dense = np.empty((size, size), order="F")
    for tile, values in matrix.map_tiles(lambda tile, values: values):
        dense[tile.rows, tile.columns] = values
    if size > QUICK:
        print(f"all {size:,} eigenvalues: by LAPACK, which does not say how far it is", file=sys.stderr, flush=True)
    return np.asarray(scipy.linalg.eigh(dense, lower=False, eigvals_only=True, overwrite_a=True, check_finite=False))
