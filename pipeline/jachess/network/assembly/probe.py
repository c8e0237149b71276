"""Trying a network with two and with three points: its shapes, its derivatives, and whether points are independent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from jachess.errors import NetworkError
from jachess.network.evaluation import evaluate
from jachess.network.graph import Array, Input, Node
from jachess.network.operations import TABLE
from jachess.network.operations.axes import is_float

COUNTS = (2, 3)


def some_points(inputs: Sequence[Input], n: int) -> dict[str, Array]:
    """Values of the inputs for n points, of which the first is always the same."""
    points = {i.name: _points(i, number) for number, i in enumerate(inputs)}
    return {name: np.concatenate([array[:1], array[-n + 1 :]]) for name, array in points.items()}


def probe(nodes: Sequence[Node], leaves: Mapping[str, Array], inputs: Sequence[Input]) -> list[dict[str, Array]]:
    """All values for two points and for three, of which the first is the same.

    Raises
    ------
    NetworkError
        If an operation fails: mostly because the file holds the number of points fixed.
    """
    with any_number():
        return [evaluate(nodes, {**leaves, **some_points(inputs, n)}) for n in COUNTS]


@contextmanager
def any_number() -> Iterator[None]:
    """Errors of operations on a few points come with what is mostly their cause."""
    try:
        yield
    except NetworkError as error:
        raise NetworkError(
            f"{error}. The network does not work for any number of points: perhaps the file holds the number of the "
            "exporter's example fixed. Export it again with a dynamic first axis (PyTorch: "
            "dynamic_shapes=({0: 'batch'},))."
        ) from error


def _points(which: Input, seed: int) -> Array:
    shape = (sum(COUNTS), *which.shape)
    if which.dtype == "float64":
        return np.random.default_rng(seed).normal(size=shape)
    return np.zeros(shape, which.dtype)


def check_points(values: Sequence[Mapping[str, Array]], output: str) -> tuple[int, ...]:
    """The shape of one point's output, if there is one output a point that depends on no other point.

    Raises
    ------
    NetworkError
        If the points are not along the first axis, or a point's output depends on the others.
    """
    first, second = (values[i][output] for i in range(2))
    if first.ndim == 0 or (first.shape[0], second.shape[0]) != COUNTS or first.shape[1:] != second.shape[1:]:
        raise NetworkError(
            f"output '{output}': the first axis is not that of the points (wanted {COUNTS[0]} and {COUNTS[1]} rows "
            f"for as many points; got shapes {first.shape} and {second.shape}). Export it with a dynamic first axis."
        )
    if not first.size:
        raise NetworkError(f"output '{output}': has no elements (got shape {first.shape}). Export it with some.")
    scale = np.abs(first[0][np.isfinite(first[0])]).max(initial=0)
    if not np.allclose(first[0], second[0], rtol=0, atol=1e-9 * scale, equal_nan=True):
        raise NetworkError(
            f"output '{output}': a point's output depends on the other points (as by normalisation over the batch). "
            "Export the network in evaluation mode."
        )
    return tuple(int(size) for size in first.shape[1:])


def check_derivatives(nodes: Sequence[Node], values: Mapping[str, Array], variables: Collection[str]) -> None:
    """Follow the ``variables`` through the graph: every operation that floating numbers pass must have a derivative.

    Those on shapes and whole numbers have none, and would pass for constants.

    Raises
    ------
    NetworkError
        If one has not; names the node.
    """
    varying = set(variables)
    for node in nodes:
        passed = [name for name in node.inputs if name in varying and is_float(values.get(name))]
        made = [name for name in node.outputs if is_float(values.get(name))]
        if passed and made and TABLE[node.operation].tangent is None:
            raise NetworkError(
                f"{node}: has no derivative with respect to '{passed[0]}', which varies with points or weights. "
                "Export the network in terms of supported operations."
            )
        if passed:
            varying.update(made)
