"""Exact blocks of the Hessian H (8.36, 8.37), any rows by any columns of the weight vector.

Weights enter through pre-activations, so for a weight from input i into unit j of layer l and one from input p into
unit k of layer m, l before m (Bishop 1992),

    H[(l,j,i),(m,k,p)] = Σ_n z_i ( R_jk z_p + δ_k G_jp )

    R_jk = dδ_(m,k)/da_(l,j)     response of the error at unit k to a unit perturbation of a_j
    G_jp = dz_p/da_(l,j)         response of the activation that feeds layer m; zero within one layer

R and G of all units j at once come from one pass forward (`push_tangents`) and one back
(`pull_tangents_of_cotangents`); the sums over points are matrix products. Where the columns' layer comes before the
rows', the block is the transpose of the other. Rows and columns of weights that enter in another way are
Hessian-vector products with unit vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from jachess.backprop.gradient import output_errors, output_responses
from jachess.backprop.propagation import (
    Chunks,
    Points,
    State,
    forward,
    pull_cotangents,
    pull_tangents_of_cotangents,
    push_tangents,
)
from jachess.backprop.r_operator import perturbed_gradients, rows_at_once
from jachess.backprop.tile import Tile, make_tiles
from jachess.network.error_functions import Head
from jachess.network.graph import Array, Weight
from jachess.network.layers import Layer, find_layers
from jachess.network.paths import descendants

_UNIT_VECTORS = 64
"""Rows that go through the R-operator together."""


def hessian_block(head: Head, chunks: Chunks, rows: slice, columns: slice) -> Array:
    """The block H[rows, columns], summed over all points.

    Parameters
    ----------
    head : Head
        Network and error function.
    chunks : function
        Goes through the points and targets in chunks; a few hundred points at once are best.
    rows, columns : slice
        Ranges of the weight vector, with start and stop.

    Returns
    -------
    array (rows, columns), float64
    """
    layers, others = find_layers(head.network)
    block = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
    tiles = make_tiles(layers, head.network.n_weights, rows, columns)
    if tiles:
        _accumulate(head, chunks, tiles)
        for tile in tiles:
            tile.scatter(block)
    for weight in others:
        _insert_products(head, chunks, weight, rows, columns, block)
    return block


def hessian_strip(head: Head, chunks: Chunks, rows: slice) -> Array:
    """The rows of H from the diagonal to the right, H[rows, rows.start:], with a diagonal part that is symmetric.

    Returns
    -------
    array (rows, W - rows.start), float64
    """
    strip = hessian_block(head, chunks, rows, slice(rows.start, head.network.n_weights))
    corner = strip[:, : len(strip)]
    corner[:] = np.triu(corner) + np.triu(corner, 1).T
    return strip


def _accumulate(head: Head, chunks: Chunks, tiles: Sequence[Tile]) -> None:
    for points, targets in chunks():
        passes = _Passes(head, points, head.targets(targets))
        for layer, partners in _by_perturbed_layer(tiles):
            for units, tangents, responses in passes.perturb(layer, partners):
                for tile in partners:
                    tile.add(passes.state.values, passes.delta, tangents, responses, units)


def _by_perturbed_layer(tiles: Sequence[Tile]) -> list[tuple[Layer, list[Tile]]]:
    layers = {id(tile.first): tile.first for tile in tiles}
    return [(layer, [tile for tile in tiles if tile.first is layer]) for layer in layers.values()]


class _Passes:
    """Forward propagation and backpropagation of some points, and their perturbations."""

    def __init__(self, head: Head, points: Points, targets: Array) -> None:
        self.head, self.targets = head, targets
        self.state: State = forward(head.network, points)
        names = [weight.name for weight in head.network.weights]
        self.active = descendants(head.network, names)
        start = output_errors(head, self.state, targets)
        self.delta = pull_cotangents(head.network, self.state, start, self.active)

    def perturb(
        self, layer: Layer, tiles: Sequence[Tile]
    ) -> Iterator[tuple[Array, dict[str, Array], dict[str, Array]]]:
        """Groups of units of ``layer``, with tangents G and responses R to unit perturbations of each.

        Yields
        ------
        units : int array (J,)
        tangents, responses : dict of value to array (J, n, *shape)
        """
        network = self.head.network
        wanted = sorted({int(unit) for tile in tiles for unit in tile.first_units})
        targets = {tile.second.pre_activation for tile in tiles}
        group = rows_at_once(self.state)
        width = layer.indices.shape[1]
        for start in range(0, len(wanted), group):
            units = np.array(wanted[start : start + group])
            unit_vectors = np.eye(width)[units][:, None, :]
            seeds = {layer.pre_activation: np.repeat(unit_vectors, self.state.n_points, axis=1)}
            tangents = push_tangents(network, self.state, seeds)
            begin = output_responses(self.head, self.state, self.targets, tangents)
            responses = pull_tangents_of_cotangents(network, self.state, tangents, self.delta, begin, targets)
            yield units, tangents, responses


def _insert_products(head: Head, chunks: Chunks, weight: Weight, rows: slice, columns: slice, block: Array) -> None:
    """Rows and columns of a tensor that is in no layer, by the R-operator with unit vectors."""
    for span, across, target in ((rows, columns, block), (columns, rows, block.T)):
        start, stop = max(span.start, weight.offset), min(span.stop, weight.slice.stop)
        for first in range(start, stop, _UNIT_VECTORS):
            last = min(first + _UNIT_VECTORS, stop)
            seeds = np.zeros((last - first, weight.size))
            seeds[np.arange(last - first), np.arange(first, last) - weight.offset] = 1
            tensors = {weight.name: seeds.reshape(-1, *weight.shape)}
            products = perturbed_gradients(head, chunks, tensors)
            target[first - span.start : last - span.start] = products[:, across]
