"""Hessian-vector products by the R-operator (Pearlmutter 1994): R{∂E/∂w} = H v in O(NW)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from jachess.backprop.gradient import errors_on_the_way, output_responses
from jachess.backprop.propagation import (
    Chunks,
    Points,
    State,
    forward,
    n_values,
    points_last,
    pull_tangents_of_cotangents,
    push_tangents,
)
from jachess.network.evaluation import Disturb
from jachess.network.graph import Array, Network
from jachess.network.head import Head
from jachess.network.weight_vector import pack, unpack

VALUES = 1 << 20
"""Elements of the values of all points that pass together, as far as their number allows: …"""
FEWEST, MOST = 32, 128
"""… products of fewer points are slow, and more are slower to be turned over."""
ELEMENTS = 1 << 22
"""Elements of all tangents together that a pass may hold; more rows are passed in groups."""


def hessian_vector_products(head: Head, chunks: Chunks, vectors: Array, disturb: Disturb | None = None) -> Array:
    """H v for each row v of ``vectors`` (R, W), in the head's form: an array (R, W)."""
    return perturbed_gradients(head, chunks, unpack(head.network, vectors), disturb)


def perturbed_gradients(
    head: Head,
    chunks: Chunks,
    seeds: Mapping[str, Array],
    disturb: Disturb | None = None,
    targets: Collection[str] | None = None,
) -> Array:
    """R{∂E/∂w} (R, W) for R perturbations of the weight tensors in ``seeds`` (R, *shape); all disturbed, if asked.

    It is zero at tensors that are not among the ``targets``; all are by default.
    """
    network, n_rows = head.network, len(next(iter(seeds.values())))
    products = np.zeros((n_rows, network.n_weights))
    names = [weight.name for weight in network.weights] if targets is None else targets
    for points, wanted in pieces(network, chunks):
        state = forward(network, points_last(points), disturb=disturb)
        prepared = np.asfortranarray(head.targets(wanted))
        delta = errors_on_the_way(head, state, prepared)
        group = rows_at_once(state)
        for start in range(0, n_rows, group):
            rows = slice(start, min(start + group, n_rows))
            tangents = push_tangents(network, state, {name: seed[rows] for name, seed in seeds.items()})
            begin = output_responses(head, state, prepared, tangents)
            responses = pull_tangents_of_cotangents(network, state, tangents, delta, begin, names)
            products[rows] += pack(network, responses, lead=(rows.stop - rows.start,))
    return products


def rows_at_once(state: State) -> int:
    """How many rows a pass takes at once, so that the tangents of all values stay within `ELEMENTS`."""
    return max(1, ELEMENTS // state.n_elements)


def pieces(network: Network, chunks: Chunks) -> Iterator[tuple[Points, Array]]:
    """The chunks in pieces of few points: what one operation leaves to the next stays in cache."""
    together = min(max(VALUES // n_values(network), FEWEST), MOST)
    for points, targets in chunks():
        for start in range(0, len(targets), together):
            part = slice(start, start + together)
            yield tuple(array[part] for array in points), targets[part]
