"""What the Jacobians of all points say together: sensitivities, singular values, leading directions, covariances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh

from jachess.backprop.parallel import on_all_cores
from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.labelled import too_small
from jachess.result.pointwise import PointwiseArray
from jachess.result.streams import Passes


@dataclass(frozen=True)
class Sensitivity:
    """How strongly each output depends on each input, over all points: arrays (K, D).

    Attributes
    ----------
    mean : array
        Mean of J.
    mean_magnitude : array
        Mean of |J|.
    root_mean_square : array
        Root of the mean of J².
    largest : array
        Largest |J|.
    """

    mean: Array
    mean_magnitude: Array
    root_mean_square: Array
    largest: Array


@on_all_cores
def sensitivity(jacobian: PointwiseArray) -> Sensitivity:
    """Mean, root-mean-square and largest |J| of each output and input, in one pass over the points.

    The Jacobian (8.29) is the local sensitivity of the outputs to changes of each input; these are its means.
    """
    shape = jacobian.shape[1:]
    sums, magnitudes, squares, largest = np.zeros((4, *shape))

    def part(span: slice, values: Array) -> tuple[Array, Array, Array, Array]:
        exact = values.astype(np.float64, copy=False)
        size = np.abs(exact)
        return exact.sum(axis=0), size.sum(axis=0), np.einsum("nkd,nkd->kd", size, size), size.max(axis=0)

    for _, (total, magnitude, square, most) in jacobian.map_points(part, held=8 * 8 * sums.size):
        sums += total
        magnitudes += magnitude
        squares += square
        np.maximum(largest, most, out=largest)
    count = jacobian.shape[0]
    return Sensitivity(sums / count, magnitudes / count, np.sqrt(squares / count), largest)


@on_all_cores
def singular_values(jacobian: PointwiseArray, count: int | None = None) -> Array:
    """Singular values of each point's Jacobian, the largest first.

    The first is the largest factor by which a small change of the inputs is magnified there: a bound on the local
    Lipschitz constant to first order.

    Parameters
    ----------
    count : int, optional
        How many of each; all by default.

    Returns
    -------
    array (N, count), float64

    Raises
    ------
    InputError
        If they do not fit the memory.
    """
    n_points, most = jacobian.shape[0], min(jacobian.shape[1:])
    wanted = most if count is None else min(count, most)
    _check_room(jacobian, 8 * n_points * wanted, "all singular values")
    found = np.zeros((n_points, wanted))

    def part(span: slice, values: Array) -> Array:
        return np.linalg.svd(values.astype(np.float64, copy=False), compute_uv=False)[:, :wanted]

    for span, values in jacobian.map_points(part, held=found.nbytes):
        found[span] = values
    return found


@dataclass(frozen=True)
class Directions:
    """Leading directions of the Jacobians.

    Attributes
    ----------
    values : array (R,)
        Mean squared derivative along each direction, the largest first.
    vectors : array (D, R), or (K, R) on the side of the outputs
    """

    values: Array
    vectors: Array


def mean_gram(jacobian: PointwiseArray, side: str = "inputs") -> Array:
    """The average over points of JᵀJ (D, D), or for ``side="outputs"`` of J Jᵀ (K, K).

    Raises
    ------
    InputError
        If there is no such side, or the matrix does not fit the memory.
    """
    size = jacobian.shape[_side(side)]
    _check_room(jacobian, 4 * 8 * size**2, f"the matrix of {side}")
    return _mean_gram(jacobian, side)


@on_all_cores
def _mean_gram(jacobian: PointwiseArray, side: str) -> Array:
    axis = _side(side)
    size = jacobian.shape[axis]
    total = np.zeros((size, size))

    def part(span: slice, values: Array) -> Array:
        rows = np.moveaxis(values.astype(np.float64, copy=False), axis, -1).reshape(-1, size)
        return rows.T @ rows

    for _, found in jacobian.map_points(part, held=4 * total.nbytes):
        total += found
    return total / jacobian.shape[0]


def _side(side: str) -> int:
    if side not in ("inputs", "outputs"):
        raise InputError(f"side: Jacobians have inputs and outputs (got {side!r}).")
    return 2 if side == "inputs" else 1


def active_subspace(jacobian: PointwiseArray, count: int = 5, *, side: str = "inputs") -> Directions:
    """The directions along which the outputs change most: leading eigenvectors of the average of JᵀJ.

    Constantine, Active Subspaces (2015), for one output; several are added up. With ``side="outputs"``, the directions
    in which the outputs move most, from the average of J Jᵀ. A matrix that does not fit the memory is never formed:
    Lanczos multiplies with it by a pass over the points.

    Parameters
    ----------
    count : int
    side : {"inputs", "outputs"}

    Returns
    -------
    Directions

    Raises
    ------
    InputError
        If there are not so many directions, or no such side.
    """
    size = jacobian.shape[_side(side)]
    if not 1 <= count <= size:
        raise InputError(f"count: there are not so many directions of {side} (wanted 1 to {size}; got {count}).")
    if 5 * 8 * size**2 <= jacobian.memory // 2:
        values, vectors = eigh(mean_gram(jacobian, side), subset_by_index=[size - count, size - 1])
    else:
        values, vectors = eigsh(_GramOperator(jacobian, side), count, which="LA", v0=np.ones(size))
    order = np.argsort(-values)
    return Directions(np.asarray(values)[order], np.asarray(vectors)[:, order])


class _GramOperator(LinearOperator):
    """Products with the average of JᵀJ, or J Jᵀ."""

    def __init__(self, jacobian: PointwiseArray, side: str) -> None:
        self.jacobian, self.axis = jacobian, _side(side)
        size = jacobian.shape[self.axis]
        super().__init__(np.dtype(np.float64), (size, size))  # type: ignore[call-arg]
        self.passes = Passes(f"directions of {side}", len(jacobian.spans()), n_passes=0)

    def _matvec(self, v: Array) -> Array:
        total, other = np.zeros(self.shape[0]), 3 - self.axis

        def part(span: slice, values: Array) -> Array:
            exact = values.astype(np.float64, copy=False)
            along = np.tensordot(exact, v.ravel(), axes=(self.axis, 0))
            return np.tensordot(along, exact, axes=((0, 1), (0, other)))

        for _, found in self.jacobian.map_points(part, held=50 * total.nbytes, passes=self.passes):
            total += found
        return total / self.jacobian.shape[0]


@on_all_cores
def propagate(jacobian: PointwiseArray, covariance: ArrayLike, *, variances: bool = False) -> Array:
    """The covariance J Σ Jᵀ of each point's outputs, if its inputs have covariance Σ: first-order error propagation.

    Parameters
    ----------
    covariance : number, array (D,) or array (D, D)
        One variance, one of each input, or the whole covariance matrix.
    variances : bool
        Only the diagonal, the variance of each output.

    Returns
    -------
    array (N, K, K), or (N, K) of variances; float64

    Raises
    ------
    InputError
        If Σ does not fit the inputs, or the result the memory.
    """
    n_points, n_outputs, n_inputs = jacobian.shape
    sigma = np.asarray(covariance, np.float64)
    if sigma.shape not in ((), (n_inputs,), (n_inputs, n_inputs)) or not np.isfinite(sigma).all():
        raise InputError(
            f"covariance: wanted a finite number, ({n_inputs},) or ({n_inputs}, {n_inputs}) (got shape {sigma.shape})."
        )
    shape = (n_points, n_outputs) if variances else (n_points, n_outputs, n_outputs)
    _check_room(jacobian, 8 * int(np.prod(shape)), "all covariances")
    found = np.zeros(shape)

    def part(span: slice, values: Array) -> Array:
        exact = values.astype(np.float64, copy=False)
        scaled = exact @ sigma if sigma.ndim == 2 else exact * sigma
        return np.einsum("nkd,nkd->nk", scaled, exact) if variances else scaled @ exact.swapaxes(1, 2)

    for span, values in jacobian.map_points(part, held=found.nbytes):
        found[span] = values
    return found


def _check_room(jacobian: PointwiseArray, wanted: int, what: str) -> None:
    if wanted > jacobian.memory:
        raise too_small(jacobian.source.name, what, wanted, jacobian.memory)
