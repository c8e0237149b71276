"""The derivatives as functions of a network and arrays, on all cores of this machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from jachess.backprop import gradient as _gradient
from jachess.backprop.arguments import array_of, cast, fit_points, floating, prepare, span
from jachess.backprop.hessian import hessian_block
from jachess.backprop.input_hessian import input_hessians
from jachess.backprop.jacobian import kernel_of
from jachess.backprop.parallel import for_all, map_all, n_cores, on_all_cores
from jachess.backprop.propagation import Points
from jachess.backprop.r_operator import hessian_vector_products
from jachess.backprop.weight_jacobian import weight_jacobian_rows
from jachess.backprop.whole import whole_hessian
from jachess.errors import InputError
from jachess.network.graph import Array, Network

ALONE = 1 << 25
"""Multiplications, a millisecond of them, that one thread does sooner than several could start on them."""
PASSED_ALONE = 1 << 29
"""The same where they are done in many small operations, between which threads wait for each other."""


@on_all_cores
def jacobian(
    net: Network,
    points: ArrayLike | Sequence[ArrayLike],
    *,
    method: str = "auto",
    rows: slice | None = None,
    dtype: DTypeLike | None = None,
) -> Array:
    """Jacobian ∂y_k/∂x_i of every point (8.29, 8.30).

    Parameters
    ----------
    net : Network
        From `jachess.read_network`.
    points : array (N, …), or a list of arrays
        One array for each input of the network.
    method : {"auto", "reverse", "forward", "mixed"}
        How to accumulate; ``auto`` takes the fewest operations. All give the same numbers up to rounding.
    rows : slice, optional
        The outputs k to compute; all by default.
    dtype : {float64, float32}, optional
        In which all is computed; float64 by default.

    Returns
    -------
    array (N, K, D)
        K outputs and D inputs, several axes flattened in C order.

    Raises
    ------
    PointsError
        If the points do not fit the network.
    NetworkError
        If the input cannot be differentiated.
    """
    arrays, kind = fit_points(net, points), floating(dtype)
    kernel = kernel_of(net, kind, method, None if rows is None else (rows.start, rows.stop, rows.step))
    result = np.empty((len(arrays[0]), kernel.n_rows, net.n_inputs), kind)
    n_threads = n_cores() if len(result) * kernel.cost > (PASSED_ALONE if kernel.passed else ALONE) else 1
    rounds = min(8, -(-len(result) // (n_threads * kernel.points_at_once)))
    step = -(-len(result) // (n_threads * rounds))

    def fill(start: int) -> None:
        part = slice(start, start + step)
        kernel.fill(cast(tuple(array[part] for array in arrays), kind), result[part])

    for_all(fill, range(0, len(result), step))
    return result


@on_all_cores
def gradient(net: Network, points: ArrayLike | Sequence[ArrayLike], targets: ArrayLike, *, error: str) -> Array:
    """Gradient ∂E/∂w of the error summed over all points, by backpropagation.

    Parameters
    ----------
    net, points
        As for `jacobian`.
    targets : array (N, K), or class numbers (N,) for cross-entropy
    error : {"sum-of-squares", "cross-entropy", "binary-cross-entropy"}

    Returns
    -------
    array (W,), float64
        In the order of `net.weights`.

    Raises
    ------
    PointsError, JobError
        If points or targets do not fit the network or the error function.
    """
    head, chunks = prepare(net, points, targets, error)
    return _gradient.gradient(head, chunks)


@on_all_cores
def hessian(
    net: Network,
    points: ArrayLike | Sequence[ArrayLike],
    targets: ArrayLike,
    *,
    error: str,
    rows: slice | None = None,
    columns: slice | None = None,
    outer_product: bool = False,
    dtype: DTypeLike | None = None,
) -> Array:
    """Exact Hessian ∂²E/∂w_i∂w_j of the error summed over all points (8.36, 8.37), or a block of it.

    Parameters
    ----------
    net, points, targets, error
        As for `gradient`.
    rows, columns : slice, optional
        Ranges of the weight vector; all by default.
    outer_product : bool
        Its outer-product (Gauss-Newton) form Σ_n Jᵀ A J instead, with J the derivatives of the outputs with respect to
        the weights, and A those of E_n, twice, with respect to the outputs.
    dtype : {float64, float32}, optional
        In which all is computed; float64 by default.

    Returns
    -------
    array (rows, columns); (W, W) by default

    Raises
    ------
    PointsError, JobError
        If points or targets do not fit the network or the error function.
    """
    kind = floating(dtype)
    head, chunks = prepare(net, points, targets, error, kind, outer_product=outer_product)
    if rows is None and columns is None:
        return whole_hessian(head, list(chunks()))
    down, across = span(rows, net.n_weights, "rows"), span(columns, net.n_weights, "columns")
    result = np.empty((down.stop - down.start, across.stop - across.start), kind)
    height = max(64, -(-len(result) // (4 * n_cores())))

    def fill_block(start: int) -> None:
        part = slice(start, min(start + height, down.stop))
        result[start - down.start : part.stop - down.start] = hessian_block(head, chunks, part, across)

    for_all(fill_block, range(down.start, down.stop, height))
    return result


@on_all_cores
def hessian_vector_product(
    net: Network,
    points: ArrayLike | Sequence[ArrayLike],
    targets: ArrayLike,
    v: ArrayLike,
    *,
    error: str,
    outer_product: bool = False,
) -> Array:
    """Products H v by the R-operator, without the Hessian.

    Parameters
    ----------
    net, points, targets, error
        As for `gradient`.
    v : array (W,) or (W, R)
    outer_product : bool
        With the outer-product form instead, as for `hessian`.

    Returns
    -------
    array of v's shape, float64

    Raises
    ------
    InputError
        If v does not have W rows.
    """
    head, chunks = prepare(net, points, targets, error, outer_product=outer_product)
    vectors = array_of(v, "v")
    if vectors.dtype.kind not in "biuf":
        raise InputError(f"v: holds no numbers (got {vectors.dtype}).")
    vectors = vectors.astype(np.float64, copy=False)
    if vectors.ndim not in (1, 2) or vectors.shape[0] != net.n_weights:
        raise InputError(f"v: wrong shape (wanted ({net.n_weights},) or ({net.n_weights}, R); got {vectors.shape}).")
    products = hessian_vector_products(head, chunks, vectors.reshape(net.n_weights, -1).T)
    return products.T.reshape(vectors.shape)


@on_all_cores
def weight_jacobian(net: Network, points: ArrayLike | Sequence[ArrayLike], *, dtype: DTypeLike | None = None) -> Array:
    """Derivatives ∂y_k/∂w of every point's outputs with respect to the weights.

    Parameters
    ----------
    net, points
        As for `jacobian`.
    dtype : {float64, float32}, optional
        In which all is computed; float64 by default.

    Returns
    -------
    array (N, K, W)

    Raises
    ------
    PointsError
        If the points do not fit the network.
    """
    kind = floating(dtype)
    arrays, network = cast(fit_points(net, points), kind), net.astype(kind)
    return np.concatenate(list(map_all(lambda part: weight_jacobian_rows(network, part), _shares(arrays))))


@on_all_cores
def input_hessian(
    net: Network,
    points: ArrayLike | Sequence[ArrayLike],
    *,
    outputs: Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
) -> Array:
    """Second derivatives ∂²y_k/∂x_i∂x_j of every point's outputs with respect to its inputs.

    Parameters
    ----------
    net, points
        As for `jacobian`.
    outputs : sequence of int, optional
        The outputs k to differentiate; all by default.
    dtype : {float64, float32}, optional
        In which all is computed; float64 by default.

    Returns
    -------
    array (N, outputs, D, D)

    Raises
    ------
    PointsError, NetworkError, InputError
        If the points do not fit the network, its input cannot be differentiated, or there are no such outputs.
    """
    net.check_input()
    chosen = list(range(net.n_outputs) if outputs is None else outputs)
    if not chosen or not all(0 <= k < net.n_outputs for k in chosen):
        raise InputError(f"outputs: there are no such outputs (wanted some of 0 to {net.n_outputs - 1}; got {chosen}).")
    kind = floating(dtype)
    arrays, network = cast(fit_points(net, points), kind), net.astype(kind)
    return np.concatenate(list(map_all(lambda part: input_hessians(network, part, chosen), _shares(arrays))))


def _shares(arrays: Points) -> list[Points]:
    """The points in pieces for the cores."""
    step = -(-len(arrays[0]) // (2 * n_cores()))
    return [tuple(array[start : start + step] for array in arrays) for start in range(0, len(arrays[0]), step)]
