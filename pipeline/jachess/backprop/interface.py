"""The derivatives as functions of a network and arrays, on all cores of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from jachess.backprop import gradient as _gradient
from jachess.backprop.hessian import hessian_block
from jachess.backprop.jacobian import JacobianKernel
from jachess.backprop.parallel import for_all, n_cores, on_all_cores
from jachess.backprop.propagation import Chunks, Points
from jachess.backprop.r_operator import hessian_vector_products
from jachess.backprop.whole import whole_hessian
from jachess.errors import InputError, PointsError
from jachess.network.graph import Array, Network
from jachess.network.head import Head, error_head

FLOAT64 = np.dtype(np.float64)
POINTS_AT_ONCE = 512
"""Points of one chunk: few enough that their values stay in cache, enough for fast matrix products."""


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
    """
    arrays, kind = fit_points(net, points), _floating(dtype)
    kernel = JacobianKernel(net.astype(kind), method=method, rows=rows)
    result = np.empty((len(arrays[0]), kernel.n_rows, net.n_inputs), kind)
    step = max(kernel.points_at_once, -(-len(result) // (8 * n_cores())))
    step = min(step, -(-len(result) // n_cores()))

    def fill(start: int) -> None:
        part = slice(start, start + step)
        kernel.fill(_cast(tuple(array[part] for array in arrays), kind), result[part])

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
    head, chunks = _prepare(net, points, targets, error)
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
    dtype: DTypeLike | None = None,
) -> Array:
    """Exact Hessian ∂²E/∂w_i∂w_j of the error summed over all points (8.36, 8.37), or a block of it.

    Parameters
    ----------
    net, points, targets, error
        As for `gradient`.
    rows, columns : slice, optional
        Ranges of the weight vector; all by default.
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
    kind = _floating(dtype)
    head, chunks = _prepare(net, points, targets, error, kind)
    if rows is None and columns is None:
        return whole_hessian(head, list(chunks()))
    down, across = _span(rows, net.n_weights, "rows"), _span(columns, net.n_weights, "columns")
    result = np.empty((down.stop - down.start, across.stop - across.start), kind)
    height = max(64, -(-len(result) // (4 * n_cores())))

    def fill_block(start: int) -> None:
        part = slice(start, min(start + height, down.stop))
        result[start - down.start : part.stop - down.start] = hessian_block(head, chunks, part, across)

    for_all(fill_block, range(down.start, down.stop, height))
    return result


@on_all_cores
def hessian_vector_product(
    net: Network, points: ArrayLike | Sequence[ArrayLike], targets: ArrayLike, v: ArrayLike, *, error: str
) -> Array:
    """Products H v by the R-operator, without the Hessian.

    Parameters
    ----------
    net, points, targets, error
        As for `gradient`.
    v : array (W,) or (W, R)

    Returns
    -------
    array of v's shape, float64

    Raises
    ------
    InputError
        If v does not have W rows.
    """
    head, chunks = _prepare(net, points, targets, error)
    vectors = np.asarray(v, dtype=np.float64)
    if vectors.ndim not in (1, 2) or vectors.shape[0] != net.n_weights:
        raise InputError(f"v: wrong shape (wanted ({net.n_weights},) or ({net.n_weights}, R); got {vectors.shape}).")
    products = hessian_vector_products(head, chunks, vectors.reshape(net.n_weights, -1).T)
    return products.T.reshape(vectors.shape)


def fit_points(net: Network, points: ArrayLike | Sequence[ArrayLike]) -> Points:
    """The points as one array (N, *shape) for each input of the network.

    Raises
    ------
    PointsError
        If they do not fit.
    """
    given = list(points) if isinstance(points, list | tuple) and len(net.inputs) > 1 else [points]
    if len(given) != len(net.inputs):
        names = ", ".join(i.name for i in net.inputs)
        raise PointsError(f"points: one array is needed for each input (wanted {names}; got {len(given)} arrays).")
    arrays = []
    for which, thing in zip(net.inputs, given, strict=True):
        array = np.asarray(thing)
        dtype = np.float64 if which.dtype.startswith("float") else np.dtype(which.dtype)
        if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and np.dtype(dtype).kind != "f"):
            raise PointsError(f"points: input '{which.name}' holds {which.dtype} (got {array.dtype}).")
        if array.ndim == 0 or array.size != len(array) * int(np.prod(which.shape)):
            raise PointsError(
                f"points: input '{which.name}' has the wrong shape (wanted (N, {', '.join(map(str, which.shape))}); "
                f"got {array.shape})."
            )
        if not np.isfinite(array).all():
            raise PointsError(f"points: input '{which.name}' holds NaN or infinity. Remove those points.")
        arrays.append(np.ascontiguousarray(array, dtype=dtype).reshape(-1, *which.shape))
    if len({len(array) for array in arrays}) != 1 or not len(arrays[0]):
        counts = ", ".join(str(len(array)) for array in arrays)
        raise PointsError(f"points: every input needs the same number of points, at least one (got {counts}).")
    return tuple(arrays)


def _prepare(
    net: Network,
    points: ArrayLike | Sequence[ArrayLike],
    targets: ArrayLike,
    error: str,
    dtype: np.dtype[Any] = FLOAT64,
) -> tuple[Head, Chunks]:
    head = error_head(net.astype(dtype), error)
    arrays, t = fit_points(net, points), np.asarray(targets)
    if t.ndim == 0 or len(t) != len(arrays[0]):
        raise PointsError(f"targets: wrong number (wanted {len(arrays[0])}, one a point; got shape {t.shape}).")
    prepared, arrays = head.targets(t), _cast(arrays, dtype)

    def chunks() -> list[tuple[Points, Array]]:
        starts = range(0, len(prepared), POINTS_AT_ONCE)
        parts = [slice(start, start + POINTS_AT_ONCE) for start in starts]
        return [(tuple(array[part] for array in arrays), prepared[part]) for part in parts]

    return head, chunks


def _floating(dtype: DTypeLike | None) -> np.dtype[Any]:
    found = np.dtype(dtype or np.float64)
    if found not in (np.float64, np.float32):
        raise InputError(f"dtype: derivatives are computed in float64 or float32 (got {found}). Convert the result.")
    return found


def _cast(points: Points, dtype: np.dtype[Any]) -> Points:
    return tuple(array.astype(dtype, copy=False) if array.dtype.kind == "f" else array for array in points)


def _span(part: slice | None, length: int, name: str) -> slice:
    start, stop, step = (part or slice(None)).indices(length)
    if step != 1:
        raise InputError(f"{name}: only ranges of neighbouring weights make a block (wanted step 1; got {step}).")
    return slice(start, max(start, stop))
