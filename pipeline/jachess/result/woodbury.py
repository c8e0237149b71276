"""The inverse of the outer-product form, point by point.

A = λI + Σ b bᵀ over vectors b is inverted without ever being formed (Hassibi and Stork 1993, the matrix inversion
lemma): each b changes the inverse by a matrix of rank one,

    A⁻¹ ← A⁻¹ − (A⁻¹ b bᵀ A⁻¹) / (1 + bᵀ A⁻¹ b),

and several b at once, the columns of B, by A⁻¹ ← A⁻¹ − A⁻¹ B (I + Bᵀ A⁻¹ B)⁻¹ Bᵀ A⁻¹.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from jachess.backprop.parallel import on_all_cores
from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.streams import Passes


@on_all_cores
def woodbury_inverse(rows: Iterable[Array], *, damping: float, memory: int = 2**30) -> Array:
    """(λI + Σ b bᵀ)⁻¹ from the vectors b, a block of them at a time.

    Parameters
    ----------
    rows : iterable of arrays (R, W)
        The vectors bᵀ, such as rows of √A J_n with the weight Jacobian J_n of a point.
    damping : float
        λ > 0, with which the inverse begins as I/λ.
    memory : int
        Bytes that the inverse and its working arrays may take.

    Returns
    -------
    array (W, W), float64

    Raises
    ------
    InputError
        If there are no vectors, λ is not positive, or the inverse does not fit the memory.
    """
    if not damping > 0:
        raise InputError(f"damping: the inverse begins as I/λ (wanted more than 0; got {damping}).")
    inverse: Array | None = None
    passes = Passes("Woodbury inverse", 1, n_passes=0, unit="blocks of vectors")
    for given in rows:
        block = np.asarray(given, np.float64)
        if inverse is None:
            inverse = _begin(block.shape[1], damping, memory)
        through = inverse @ block.T
        inner = block @ through
        inner[np.diag_indices(len(inner))] += 1
        inverse -= through @ cho_solve(cho_factor(inner), through.T)
        passes.advance()
    passes.close()
    if inverse is None:
        raise InputError("rows: there are no vectors.")
    return (inverse + inverse.T) / 2


def _begin(size: int, damping: float, memory: int) -> Array:
    wanted = 3 * 8 * size**2
    if wanted > memory:
        raise InputError(
            f"memory: too small for the inverse (wanted {wanted:,} bytes; got {memory:,}). Allow more, or use the "
            "Cholesky factor of the stored outer-product form."
        )
    return np.eye(size) / damping
