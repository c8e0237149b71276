"""The spectral density of a stored symmetric matrix by stochastic Lanczos quadrature.

For a random vector v of length one, k steps of Lanczos make a tridiagonal matrix whose eigenvalues θ and squared first
components τ of its eigenvectors are the nodes and weights of a Gauss quadrature: Σ τ f(θ) = vᵀ f(H) v, exactly for
polynomials of degree below 2k. The mean over several v estimates the mean of f over the eigenvalues (Lin, Saad and
Yang, Approximating spectral densities of large matrices, 2016; Golub and Welsch 1969 for the quadrature).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh_tridiagonal

from jachess.backprop.parallel import on_all_cores
from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.matrix import TiledMatrix
from jachess.result.products import StoredOperator


@dataclass(frozen=True)
class Density:
    """The density of the eigenvalues, as nodes and weights.

    Attributes
    ----------
    nodes, weights : arrays (probes, steps)
        Weights add up to one for each probe.
    size : int
        W, the number of eigenvalues.
    """

    nodes: Array
    weights: Array
    size: int

    def at(self, grid: Array, width: Array | float) -> Array:
        """The density at the points of a grid, each node spread as a Gaussian of this standard deviation."""
        places = np.asarray(grid)[:, None]
        spread = np.broadcast_to(width, np.shape(grid))[:, None]
        bumps = np.exp(-0.5 * ((places - self.nodes.ravel()) / spread) ** 2) / (np.sqrt(2 * np.pi) * spread)
        return np.asarray(bumps @ self.weights.ravel() / len(self.nodes))

    def trace_of(self, function: Callable[[Array], Array]) -> tuple[float, float]:
        """The estimate of Σ f(λ) over all eigenvalues, and its standard error over the probes."""
        found = self.size * (self.weights * function(self.nodes)).sum(axis=1)
        error = found.std(ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.nan
        return float(found.mean()), float(error)


def density(matrix: TiledMatrix, *, probes: int = 8, steps: int = 64, seed: int = 0) -> Density:
    """The density of the eigenvalues by stochastic Lanczos quadrature, in ``steps`` passes over the matrix.

    Parameters
    ----------
    probes : int
        Random vectors of ±1, which go through the passes together.
    steps : int
        Nodes of each probe; each step is a pass.
    seed : int
        Chooses the vectors.

    Returns
    -------
    Density

    Raises
    ------
    InputError
        If the probes' vectors do not fit the memory.
    """
    if probes < 1 or steps < 1:
        raise InputError(f"density: wanted at least one probe and one step (got {probes} and {steps}).")
    size = len(matrix)
    steps = min(steps, size)
    operator = StoredOperator(matrix, 8 * size * probes * (steps + 4), "spectral density")
    operator.passes.n_passes = steps
    start = np.random.default_rng(seed).choice((-1.0, 1.0), (size, probes))
    nodes, weights = lanczos(operator, start, steps)
    operator.passes.close()
    return Density(nodes, weights, size)


@on_all_cores
def lanczos(operator: StoredOperator, start: Array, steps: int) -> tuple[Array, Array]:
    """Nodes and weights (probes, steps) of the quadrature that begins with each column of ``start`` (W, probes).

    Each new vector is made orthogonal to all before it, twice, so that no eigenvalue appears more often than it is
    there. A probe whose Krylov space is exhausted goes on with zeros, whose nodes have no weight.
    """
    size, probes = start.shape
    basis = np.zeros((steps, size, probes))
    alpha, beta = np.zeros((2, probes, steps))
    q = start / np.linalg.norm(start, axis=0)
    for step in range(steps):
        basis[step] = q
        r = operator @ q
        alpha[:, step] = (q * r).sum(axis=0)
        length = np.linalg.norm(r, axis=0)
        for _ in range(2):
            for probe in range(probes):
                known = basis[: step + 1, :, probe]
                r[:, probe] -= known.T @ (known @ r[:, probe])
        beta[:, step] = np.linalg.norm(r, axis=0)
        going = beta[:, step] > 1e-12 * length
        beta[~going, step] = 0
        q = np.divide(r, beta[:, step], out=np.zeros_like(r), where=going[None])
    found = [eigh_tridiagonal(a, b) for a, b in zip(alpha, beta[:, :-1], strict=True)]
    return np.stack([nodes for nodes, _ in found]), np.stack([vectors[0] ** 2 for _, vectors in found])
