"""What single points, and the whole error, say about where the weights should be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.cholesky import Cholesky, factorise
from jachess.result.laplace import weights
from jachess.result.matrix import TiledMatrix
from jachess.result.products import product


def influence(factor: Cholesky, gradients: ArrayLike, predictions: ArrayLike) -> Array:
    """How predictions change, to first order, if a training point is left out (Koh and Liang 2017).

    Without point n the weights move by H⁻¹ ∂E_n/∂w, and a prediction y by ∂y/∂w of that.

    Parameters
    ----------
    factor : Cholesky
        Of the Hessian of E, a sum over points; damped until it is positive definite.
    gradients : array (N, W)
        ∂E_n/∂w of the training points.
    predictions : array (R, W)
        ∂y/∂w of what is predicted: an output, or the error at a test point.

    Returns
    -------
    array (N, R)

    Raises
    ------
    InputError
        If these do not fit the matrix.
    """
    left, right = (_rows(factor, rows, name) for rows, name in ((gradients, "gradients"), (predictions, "predictions")))
    if len(right) <= len(left):
        return np.asarray(left @ factor.solve(right.T))
    return np.asarray((right @ factor.solve(left.T)).T)


def _rows(factor: Cholesky, rows: ArrayLike, name: str) -> Array:
    given = np.asarray(rows, np.float64)
    if given.ndim != 2 or given.shape[1] != len(factor.matrix):
        raise InputError(f"{name}: wrong shape (wanted (…, {len(factor.matrix)}); got {given.shape}).")
    return given


@dataclass(frozen=True)
class NewtonStep:
    """A step of Newton's method.

    Attributes
    ----------
    step : array (W,)
        −(H + λI)⁻¹ ∂E/∂w.
    predicted : float
        How E changes by the step, to second order.
    """

    step: Array
    predicted: float


def newton_step(matrix: TiledMatrix, gradient: ArrayLike, *, damping: float = 0.0) -> NewtonStep:
    """The step −(H + λI)⁻¹ ∂E/∂w to the minimum of the local quadratic approximation of E.

    Newton's method, with λ the damping of Levenberg and Marquardt (Nocedal and Wright, Numerical Optimization).

    Parameters
    ----------
    matrix : SymmetricMatrix
        The Hessian.
    gradient : array (W,)
        ``result.gradient[:].values``.
    damping : float
        λ, which must exceed the magnitude of the most negative eigenvalue.

    Raises
    ------
    InputError
        If H + λI is not positive definite.
    """
    slope = weights(matrix, gradient)
    step = -factorise(matrix, damping=damping).solve(slope)
    return NewtonStep(step, float(slope @ step + step @ product(matrix, step) / 2))
