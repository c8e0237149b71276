"""The Laplace approximation of the posterior of the weights, and error bars of predictions.

With a Gaussian prior of precision α on each weight and an error function that is a negative log likelihood, the
posterior is approximated by a Gaussian about the trained weights (Bishop, Pattern Recognition and Machine Learning,
equations 5.166 to 5.173):

    p(w | data) ≈ N(w | w*, A⁻¹),    A = β H + α I,

β the precision of the noise, 1 where E is a log likelihood already. A prediction y, linear in w about w*, has the
variance gᵀ A⁻¹ g with g = ∂y/∂w.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.cholesky import Cholesky, factorise
from jachess.result.labelled import LabelledArray
from jachess.result.matrix import TiledMatrix


@dataclass(frozen=True)
class Laplace:
    """A Gaussian posterior of the weights.

    Attributes
    ----------
    w : array (W,)
        Its mean, the trained weights.
    prior_precision, noise_precision : float
        α and β.
    factor : Cholesky
        Of A/β = H + (α/β) I.
    """

    w: Array
    prior_precision: float
    noise_precision: float
    factor: Cholesky

    def variances(self) -> Array:
        """The variance (W,) of each weight: the diagonal of A⁻¹."""
        return self.factor.inverse_diagonal() / self.noise_precision

    def covariance(self) -> TiledMatrix:
        """β A⁻¹ (W, W) in a scratch store: the covariance of the weights where β = 1."""
        return self.factor.inverse()

    def samples(self, count: int, *, seed: int = 0) -> Array:
        """Weight vectors (count, W) drawn from the posterior."""
        normal = np.random.default_rng(seed).standard_normal((len(self.w), count))
        return np.asarray(self.w + self.factor.back(normal).T / np.sqrt(self.noise_precision))

    def predictive_covariance(self, weight_jacobian: ArrayLike) -> Array:
        """The covariance J A⁻¹ Jᵀ of predictions that comes from the weights; noise is not in it.

        Parameters
        ----------
        weight_jacobian : array (K, W), or (N, K, W) of several points
            ∂y/∂w.

        Returns
        -------
        array (K, K), or (N, K, K)
        """
        rows = np.asarray(weight_jacobian, np.float64)
        half = self.factor.forward(rows.reshape(-1, rows.shape[-1]).T).T.reshape(rows.shape)
        return np.asarray(half @ half.swapaxes(-1, -2)) / self.noise_precision

    def log_evidence(self, error: float) -> float:
        """The logarithm of the evidence of the data, up to what depends on neither weights nor α, for E(w*).

        ln p(data) ≈ −β E(w*) − α/2 |w*|² − ½ ln det A + W/2 ln α: compare values of α, or networks.
        """
        size, scale = len(self.w), self.noise_precision
        log_determinant = self.factor.log_determinant + size * np.log(scale)
        prior = size / 2 * np.log(self.prior_precision) - self.prior_precision / 2 * float(self.w @ self.w)
        return float(-scale * error + prior - log_determinant / 2)


def laplace(
    matrix: TiledMatrix,
    w: ArrayLike,
    *,
    prior_precision: float,
    noise_precision: float = 1.0,
    scratch: str | Path | None = None,
) -> Laplace:
    """The Laplace approximation of the posterior of the weights.

    Parameters
    ----------
    matrix : SymmetricMatrix
        The Hessian of E, or its outer-product form, which is never indefinite.
    w : array (W,)
        The trained weights: ``result.network().w``.
    prior_precision, noise_precision : float
        α and β.
    scratch : path, optional
        As for `factorise`.

    Raises
    ------
    InputError
        If A is not positive definite: the weights are no minimum of E + α/2 |w|².
    """
    if not (prior_precision > 0 and noise_precision > 0):
        raise InputError(f"laplace: precisions are positive (got {prior_precision} and {noise_precision}).")
    factor = factorise(matrix, damping=prior_precision / noise_precision, scratch=scratch)
    return Laplace(weights(matrix, w), prior_precision, noise_precision, factor)


def weights(matrix: LabelledArray, w: ArrayLike) -> Array:
    """The weight vector, checked.

    Raises
    ------
    InputError
        If it does not fit the matrix.
    """
    vector = np.asarray(w, np.float64)
    if vector.shape != matrix.shape[:1]:
        raise InputError(f"w: wrong shape (wanted ({matrix.shape[0]},); got {vector.shape}).")
    return vector
