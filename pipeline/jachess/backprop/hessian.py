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

The outer-product form (Gauss-Newton, Levenberg-Marquardt) Σ_n Jᵀ A J, J the derivatives of the outputs with respect to
the weights, is the same sum without what the network's own curvature adds: R by linear passes, and no term in δ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from jachess.backprop.diagonal import Diagonal, Tangent
from jachess.backprop.gradient import errors_on_the_way, output_responses
from jachess.backprop.propagation import (
    Chunks,
    Points,
    State,
    forward,
    points_last,
    pull_tangents_of_cotangents,
    push_tangents,
)
from jachess.backprop.tile import Tile
from jachess.backprop.tiling import make_tiles, overlap
from jachess.backprop.unit_products import insert_products
from jachess.network.graph import Array
from jachess.network.head import Head
from jachess.network.layers import Layer, find_layers

PERTURBED = 1 << 22
"""Elements of the tangents of all values in one pass; more units are perturbed in groups."""
COLLECTED = 1 << 22
"""Elements of the responses and tangents that are collected for one matrix product."""


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
    _insert_tiles(head, chunks, layers, rows, columns, block)
    insert_products(head, chunks, others, rows, columns, block)
    return block


def _insert_tiles(
    head: Head, chunks: Chunks, layers: Sequence[Layer], rows: slice, columns: slice, block: Array
) -> None:
    """What weights that enter layers contribute; where these share weights, one layer's sums at a time are held."""
    tiles = make_tiles(layers, head.network.n_weights, rows, columns, block.dtype)
    add = overlap(layers)
    while tiles:
        some = [tile for tile in tiles if tile.first is tiles[0].first] if add else tiles
        tiles = [tile for tile in tiles if tile not in some]
        accumulate(some, perturbations(head, chunks))
        for tile in some:
            tile.scatter(block, add=add)


def hessian_strip(head: Head, chunks: Chunks, rows: slice, stop: int | None = None) -> Array:
    """The rows of H from the diagonal to the right, H[rows, rows.start:stop], with a diagonal part that is symmetric.

    Returns
    -------
    array (rows, stop - rows.start), float64; stop is W by default
    """
    strip = hessian_block(head, chunks, rows, slice(rows.start, head.network.n_weights if stop is None else stop))
    corner = strip[:, : len(strip)]
    corner[:] = np.triu(corner) + np.triu(corner, 1).T
    return strip


def accumulate(tiles: Sequence[Tile], all_points: Iterable[Perturbations]) -> None:
    """Sum the tiles over chunks of points."""
    for number, points in enumerate(all_points):
        for layer in {id(tile.first): tile.first for tile in tiles}.values():
            points.add_to([tile for tile in tiles if tile.first is layer], first=number == 0)


def perturbations(head: Head, chunks: Chunks) -> Iterator[Perturbations]:
    """Forward propagation and backpropagation of each chunk of points."""
    for points, targets in chunks():
        yield Perturbations(head, points, head.targets(targets))


class Perturbations:
    """Forward propagation and backpropagation of some points, and how both respond to perturbed pre-activations."""

    def __init__(self, head: Head, points: Points, targets: Array) -> None:
        self.head, self.targets = head, np.asfortranarray(targets, dtype=head.network.w.dtype)
        self.state: State = forward(head.network, points_last(points))
        self.delta = errors_on_the_way(head, self.state, self.targets)
        self._inputs: dict[tuple[tuple[str, int], ...], Array] = {}

    def add_to(self, tiles: Sequence[Tile], *, first: bool) -> None:
        """Perturb the units of the layer that these tiles share, and add what comes of it to the tiles."""
        wanted = np.unique(np.concatenate([tile.first_units for tile in tiles]))
        targets = {tile.second.pre_activation for tile in tiles}
        together = max(1, COLLECTED // (self.state.n_points * sum(tile.n_factors for tile in tiles)))
        group = max(1, PERTURBED // self.state.n_elements)
        for start in range(0, len(wanted), together):
            collected = wanted[start : start + together]
            for place in range(0, len(collected), group):
                units = collected[place : place + group]
                tangents, responses = self._perturb(tiles[0].first, units, targets)
                for tile in tiles:
                    tile.collect(units, self._error(tile.second), tangents, responses.get(tile.second.pre_activation))
            for tile in tiles:
                tile.contract(self._fed(tile.first), self._fed(tile.second), self._error(tile.second), first=first)

    def _error(self, layer: Layer) -> Array | None:
        """δ of a layer's units (M, n)."""
        delta = self.delta.get(layer.pre_activation)
        return None if delta is None else delta.T

    def _perturb(self, layer: Layer, units: Array, targets: set[str]) -> tuple[dict[str, Tangent], dict[str, Array]]:
        """Tangents G and responses R (units, n, width) to a unit perturbation of each unit's pre-activation."""
        network = self.head.network
        ones = np.ones_like(self.state.values[layer.pre_activation])[None]
        tangents = push_tangents(network, self.state, {layer.pre_activation: Diagonal(ones, units)})
        begin = output_responses(self.head, self.state, self.targets, tangents)
        return tangents, pull_tangents_of_cotangents(network, self.state, tangents, self.delta, begin, targets)

    def _fed(self, layer: Layer) -> Array:
        """What feeds a layer, (ΣI, n), with a row of ones for each bias."""
        if layer.inputs not in self._inputs:
            dtype, n_points = self.head.network.w.dtype, self.state.n_points
            parts = [self.state.values[name].T if name else np.ones((1, n_points), dtype) for name, _ in layer.inputs]
            self._inputs[layer.inputs] = np.concatenate(parts)
        return self._inputs[layer.inputs]
