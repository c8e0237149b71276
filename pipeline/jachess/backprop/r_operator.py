"""Hessian-vector products by the R-operator (Pearlmutter 1994): R{∂E/∂w} = H v in O(NW)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jachess.backprop.gradient import output_errors, output_responses
from jachess.backprop.propagation import (
    Chunks,
    forward,
    pull_cotangents,
    pull_tangents_of_cotangents,
    push_tangents,
)
from jachess.network.error_functions import Head
from jachess.network.graph import Array
from jachess.network.paths import descendants
from jachess.network.weight_vector import pack, unpack

_ELEMENTS = 1 << 22
"""Elements of one tangent that a pass may hold; more rows are passed in groups."""


def hessian_vector_products(head: Head, chunks: Chunks, vectors: Array) -> Array:
    """H v for each row v of ``vectors`` (R, W): an array (R, W)."""
    return perturbed_gradients(head, chunks, unpack(head.network, vectors))


def perturbed_gradients(head: Head, chunks: Chunks, seeds: Mapping[str, Array]) -> Array:
    """R{∂E/∂w} (R, W) for R perturbations of the weight tensors in ``seeds`` (R, *shape)."""
    n_rows = len(next(iter(seeds.values())))
    products = np.zeros((n_rows, head.network.n_weights))
    for points, targets in chunks():
        group = rows_at_once(head, len(points[0]))
        prepared = head.targets(targets)
        for start in range(0, n_rows, group):
            rows = slice(start, start + group)
            products[rows] += _products_at(head, points, prepared, {k: v[rows] for k, v in seeds.items()})
    return products


def rows_at_once(head: Head, n_points: int) -> int:
    """How many rows a pass over ``n_points`` points takes at once."""
    widest = max(
        [head.network.n_inputs, head.network.n_outputs]
        + [max(weight.shape, default=1) for weight in head.network.weights]
    )
    largest = max(n_points * widest, max((weight.size for weight in head.network.weights), default=1))
    return max(1, _ELEMENTS // largest)


def _products_at(head: Head, points: tuple[Array, ...], targets: Array, seeds: Mapping[str, Array]) -> Array:
    network = head.network
    names = [weight.name for weight in network.weights]
    state = forward(network, points)
    delta = pull_cotangents(network, state, output_errors(head, state, targets), descendants(network, names))
    tangents = push_tangents(network, state, seeds)
    start = output_responses(head, state, targets, tangents)
    responses = pull_tangents_of_cotangents(network, state, tangents, delta, start, names)
    return pack(network, responses, lead=(len(next(iter(seeds.values()))),))
