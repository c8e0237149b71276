"""Which weights can be left out: saliencies, the growth of E that removing a weight brings to second order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.cholesky import Cholesky
from jachess.result.labelled import LabelledArray
from jachess.result.laplace import weights
from jachess.result.matrix import TiledMatrix
from jachess.result.norms import diagonal


def brain_damage(matrix: LabelledArray, w: ArrayLike) -> Array:
    """Saliencies (W,) of optimal brain damage, H_ii w_i² / 2 (Le Cun, Denker and Solla 1990).

    What E grows by if weight i is set to zero and all others stay, at a minimum of E with a diagonal Hessian.

    Parameters
    ----------
    matrix : SymmetricMatrix, or its diagonal
        The Hessian, of which only the diagonal is read: ``result.hessian`` or ``result["diagonal"]``.
    w : array (W,)
        The trained weights.
    """
    vector = weights(matrix, w)
    if isinstance(matrix, TiledMatrix):
        return np.asarray(diagonal(matrix) * vector**2 / 2)
    matrix.require()
    return np.asarray(matrix[:].values * vector**2 / 2)


def brain_surgeon(factor: Cholesky, w: ArrayLike) -> Array:
    """Saliencies (W,) of the optimal brain surgeon, w_q² / 2 [H⁻¹]_qq (Hassibi and Stork 1993).

    What E grows by if weight q is set to zero and all others move to make up for it.

    Parameters
    ----------
    factor : Cholesky
        Of the Hessian, damped until it is positive definite: ``result.hessian.cholesky(damping=…)``.
    w : array (W,)
        The trained weights.
    """
    return np.asarray(weights(factor.matrix, w) ** 2 / (2 * factor.inverse_diagonal()))


def surgeon_step(factor: Cholesky, w: ArrayLike, q: int) -> Array:
    """How all weights (W,) move when the optimal brain surgeon removes weight q: −w_q / [H⁻¹]_qq · H⁻¹ e_q.

    Raises
    ------
    InputError
        If there is no such weight.
    """
    vector = weights(factor.matrix, w)
    if not 0 <= q < len(vector):
        raise InputError(f"q: there is no such weight (wanted 0 to {len(vector) - 1}; got {q}).")
    unit = np.zeros(len(vector))
    unit[q] = 1
    column = factor.solve(unit)
    return np.asarray(-vector[q] / column[q] * column)
