"""Faults in what the kernels are given, points, targets and weights, and in what they give back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from jachess.batch.quantities import gradient as gradients
from jachess.batch.quantities import hessian as hessians
from jachess.batch.quantities import jacobian as jacobians
from jachess.network.graph import Array, Network
from jachess.network.head import Head
from tests.faults.fault import ALL, HESSIAN, JACOBIAN, OF_WEIGHTS, Fault, Plant, Wrapper, around, several

KERNELS = {
    "jacobian": f"{jacobians.__name__}.jacobian_rows",
    "gradient": f"{gradients.__name__}.gradient",
    "hessian": f"{hessians.__name__}.hessian_strip",
}
"""The functions that blocks are computed by, where they are called."""

Chunk = tuple[tuple[Array, ...], Array]


def points(change: Callable[[Array], Array]) -> Plant:
    """Other points for the kernels."""

    def of_jacobian(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda network, given, **options: f(network, tuple(map(change, given)), **options)

    return several(around(KERNELS["jacobian"], of_jacobian), targets(lambda t: t, change))


def targets(change: Callable[[Array], Array], also: Callable[[Array], Array] = lambda x: x) -> Plant:
    """Other targets for the kernels, and perhaps other points."""
    return chunks(lambda given: ((tuple(map(also, x)), change(t)) for x, t in given))


def chunks(change: Callable[[Iterator[Chunk]], Iterator[Chunk]]) -> Plant:
    """Other chunks of points and targets for the kernels of gradient and Hessian."""

    def wrapper(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda head, given, *rest: f(head, lambda: change(iter(given())), *rest)

    return several(*(around(KERNELS[name], wrapper) for name in OF_WEIGHTS))


def weights(change: Callable[[Network], Array]) -> Plant:
    """Another weight vector for the kernels."""

    def wrapper(f: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(given: Head | Network, *rest: Any, **options: Any) -> Array:
            if isinstance(given, Head):
                network = given.network
                return f(replace(given, network=replace(network, w=change(network))), *rest, **options)
            return f(replace(given, w=change(given)), *rest, **options)

        return faulty

    return several(*(around(path, wrapper) for path in KERNELS.values()))


def result(change: Callable[[Array], Array], *names: str) -> Plant:
    """Another result: ``change`` is given rows, its last axis is summed in the checks."""

    def wrapper(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, **options: np.asarray(change(f(*given, **options).copy()))

    return several(*(around(KERNELS[name], wrapper) for name in names))


def every(change: Wrapper) -> Plant:
    return several(*(around(path, change) for path in KERNELS.values()))


def without_last_chunk(given: Iterator[Chunk]) -> Iterator[Chunk]:
    all_chunks = list(given)
    return iter(all_chunks[:-1])


def without_a_point(given: Iterator[Chunk]) -> Iterator[Chunk]:
    (x, t), *rest = given
    return iter([(tuple(array[1:] for array in x), t[1:]), *rest])


def a_point_twice(given: Iterator[Chunk]) -> Iterator[Chunk]:
    (x, t), *rest = given
    again = np.r_[0, : len(t)]
    return iter([(tuple(array[again] for array in x), t[again]), *rest])


def a_chunk_twice(given: Iterator[Chunk]) -> Iterator[Chunk]:
    first, *rest = given
    return iter([first, first, *rest])


def single(array: Array) -> Array:
    return array.astype(np.float32).astype(np.float64) if array.dtype.kind == "f" else array


def tensors(change: Callable[[str, Array], Array]) -> Callable[[Network], Array]:
    """A weight vector of which each tensor has been made another of its shape."""

    def changed(network: Network) -> Array:
        w = network.w.copy()
        for weight in network.weights:
            w[weight.slice] = change(weight.name, w[weight.slice].reshape(weight.shape)).ravel()
        return w

    return changed


def layers_swapped(network: Network) -> Array:
    """Two tensors of the same shape in each other's place."""
    w = network.w.copy()
    for a in network.weights:
        for b in network.weights:
            if a.offset < b.offset and a.shape == b.shape and a.size > 1:
                w[a.slice], w[b.slice] = network.w[b.slice], network.w[a.slice]
                return w
    return w


def one_weight(network: Network) -> Array:
    w = network.w.copy()
    w[np.abs(w).argmax()] *= 1 + 1e-5
    return w


def place(array: Array) -> tuple[int, ...]:
    """A large element: it is in a row that is not zero."""
    return tuple(int(i) for i in np.unravel_index(np.abs(array).argmax(), array.shape))


def element(change: Callable[[float, float], float]) -> Callable[[Array], Array]:
    """One element changed, in the largest one's row; ``change`` is given it and the norm of the row."""

    def changed(array: Array) -> Array:
        row = place(array)[:-1]
        array[(*row, -1)] = change(array[(*row, -1)], float(np.linalg.norm(array[row])))
        return array

    return changed


def two_elements(array: Array) -> Array:
    """As much is added to one element of a row as is taken from another."""
    row = place(array)[:-1]
    array[(*row, 0)] += 1e-5 * np.linalg.norm(array[row])
    array[(*row, -1)] -= 1e-5 * np.linalg.norm(array[row])
    return array


def elements_exchanged(array: Array) -> Array:
    row = place(array)[:-1]
    array[row] = np.roll(array[row], 1)
    return array


def zero_row(array: Array) -> Array:
    array[place(array)[:-1]] = 0
    return array


def rows_exchanged(array: Array) -> Array:
    rows = array.reshape(-1, array.shape[-1])
    first = int(np.abs(rows).max(axis=1).argmax())
    other = (first + 1) % len(rows)
    rows[[first, other]] = rows[[other, first]]
    return array


def row_scaled(array: Array) -> Array:
    array[place(array)[:-1]] *= 1 + 1e-6
    return array


def zero_column(array: Array) -> Array:
    array[..., place(array)[-1]] = 0
    return array


def symmetric_part(array: Array) -> Array:
    """The square corner of a strip, as (H + 0.999 Hᵀ)/2 of its rows."""
    array[:, : len(array)] *= 0.9995
    return array


def square_transposed(array: Array) -> Array:
    """Each point's matrix the other way round, where it is square."""
    return array.swapaxes(1, 2).copy() if array.ndim == 3 and array.shape[1] == array.shape[2] else array


MATRICES = ("jacobian", "hessian")

DATA = (
    Fault("points", "one dropped", chunks(without_a_point), OF_WEIGHTS),
    Fault("points", "one doubled", chunks(a_point_twice), OF_WEIGHTS),
    Fault("chunk", "last partial one left out of the sum", chunks(without_last_chunk), OF_WEIGHTS),
    Fault("chunk", "one twice in the sum", chunks(a_chunk_twice), OF_WEIGHTS),
    Fault("points", "those of the neighbour", points(lambda x: np.roll(x, 1, axis=0)), ALL),
    Fault("points", "inputs in another order", points(lambda x: np.roll(x, 1, axis=-1)), ALL),
    Fault("target", "that of the neighbour", targets(lambda t: np.roll(t, 1, axis=0)), OF_WEIGHTS),
    Fault("target", "off by one class", targets(lambda t: (t + 1) % 3 if t.dtype.kind == "i" else np.roll(t, 1, -1)),
          OF_WEIGHTS),
    Fault("stale weights", "of a network trained a little less", weights(lambda n: n.w * (1 + 1e-3 *
          np.cos(np.arange(n.n_weights)))), ALL),
    Fault("stale weights", "one of them, by 1e-5", weights(one_weight), ALL),
    Fault("rounding to float32", "points", points(single), MATRICES, least=1e-8),
    Fault("rounding to float32", "weights", weights(lambda n: single(n.w)), MATRICES, least=1e-8),
    Fault("swapped layers", "in the weight vector", weights(layers_swapped), ALL),
    Fault("transposed", "weights", weights(tensors(lambda name, t: t.T if t.ndim == 2 and t.shape[0] == t.shape[1] else
          t)), ALL),
    Fault("off by one", "weights", weights(lambda n: np.roll(n.w, 1)), ALL),
    Fault("bias", "forgotten in the weights", weights(tensors(lambda name, t: 0 * t if t.ndim == 1 else t)), ALL),
    Fault("one element", "off by 1e-7 of its row's norm", result(element(lambda x, norm: x + 1e-7 * norm), *MATRICES),
          MATRICES),
    Fault("one element", "of the gradient, off by 1e-7 of its norm", result(element(lambda x, norm: x + 1e-7 * norm),
          "gradient"), ("gradient",)),
    Fault("one element", "NaN", result(element(lambda x, norm: np.nan), *ALL), ALL),
    Fault("one element", "infinite", result(element(lambda x, norm: np.inf), *ALL), ALL),
    Fault("one element", "its sign", result(element(lambda x, norm: -x), *ALL), ALL),
    Fault("two elements", "off by as much, in opposite ways", result(two_elements, *ALL), ALL),
    Fault("two elements", "all of a row in the next one's place", result(elements_exchanged, *ALL), ALL),
    Fault("zero", "a row", result(zero_row, *MATRICES), MATRICES),
    Fault("zero", "a column", result(zero_column, *MATRICES), MATRICES),
    Fault("zero", "a block", result(np.zeros_like, *ALL), ALL),
    Fault("rows", "two exchanged", result(rows_exchanged, *MATRICES), MATRICES),
    Fault("rows", "one larger by 1e-6", result(row_scaled, *ALL), ALL),
    Fault("sign", "of the whole", result(np.negative, *ALL), ALL),
    Fault("factor", "1 + 1e-6", result(lambda array: array * (1 + 1e-6), *ALL), ALL),
    Fault("factor", "mean for sum over points", result(lambda array: array / 23, *OF_WEIGHTS), OF_WEIGHTS),
    Fault("off by one", "columns of the block", result(lambda array: np.roll(array, 1, axis=-1), *MATRICES), MATRICES),
    Fault("off by one", "rows of the block", result(lambda array: np.roll(array, 1, axis=0), *MATRICES), MATRICES),
    Fault("corner", "0.05 % too small", result(symmetric_part, "hessian"), HESSIAN),
    Fault("transposed", "each point's Jacobian", result(square_transposed, "jacobian"), JACOBIAN),
    Fault("rounding to float32", "the result", result(single, *MATRICES), MATRICES, least=1e-8),
)  # fmt: skip
"""One record a fault."""
