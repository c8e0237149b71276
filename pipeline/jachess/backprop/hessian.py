"""Exact blocks of the Hessian H (8.36, 8.37), any rows by any columns of the weight vector.

Weights enter through pre-activations, so for a weight from input i into unit j of layer l and one from input p into
unit k of layer m, l before m (Bishop 1992),

    H[(l,j,i),(m,k,p)] = Σ_n z_i ( R_jk z_p + δ_k G_jp )

    R_jk = dδ_(m,k)/da_(l,j)     response of the error at unit k to a unit perturbation of a_j
    G_jp = dz_p/da_(l,j)         response of the activation that feeds layer m; zero within one layer

R and G of all units j at once come from one pass forward (`push_tangents`) and one back
(`pull_tangents_of_cotangents`); the sums over points are matrix products. Where the columns' layer comes before the
rows', the block is the transpose of the other. Weights that act at many positions take the same formula where that is
cheaper (see `jachess.backprop.position_sums`). Rows and columns of weights that enter in another way are Hessian-vector
products with unit vectors.

The outer-product form (Gauss-Newton, Levenberg-Marquardt) Σ_n Jᵀ A J, J the derivatives of the outputs with respect to
the weights, is the same sum without what the network's own curvature adds: R by linear passes, and no term in δ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jachess.backprop.perturbations import perturbations
from jachess.backprop.places import mirror
from jachess.backprop.positions import dearer, insert_positions
from jachess.backprop.propagation import Chunks
from jachess.backprop.tile_sums import COLLECTED, accumulate, groups_of_units
from jachess.backprop.tiling import make_tiles, overlap
from jachess.backprop.unit_products import insert_products
from jachess.network.graph import Array
from jachess.network.head import Head
from jachess.network.positions import all_layers, in_order


def hessian_block(head: Head, chunks: Chunks, rows: slice, columns: slice) -> Array:
    """The block H[rows, columns], summed over all points.

    Parameters
    ----------
    head : Head
        Network and error function.
    chunks : function
        Goes through the points and targets in chunks; a few hundred points at once are best. It is asked for them
        again and again: sums of some units are finished before those of others begin.
    rows, columns : slice
        Ranges of the weight vector, with start and stop.

    Returns
    -------
    array (rows, columns), float64
    """
    return _block(head, chunks, rows, columns, np.dtype(np.float64))


def _block(
    head: Head, chunks: Chunks, rows: slice, columns: slice, dtype: np.dtype[Any], *, upper: bool = False
) -> Array:
    """Of a strip, what is below the diagonal may be missing (``upper``). Sums are made in float64."""
    layers, positioned, others = all_layers(head.network)
    by_rows = dearer(positioned, head.network.n_weights, rows)
    add, double = overlap(layers), np.dtype(np.float64)
    # elements that are written once, from finished sums, lose no more than the last rounding in a smaller type
    block = np.zeros((rows.stop - rows.start, columns.stop - columns.start), double if add or positioned else dtype)
    tiles = make_tiles(layers, head.network.n_weights, rows, columns, double, upper=upper)
    for some in groups_of_units(tiles):
        accumulate(some, perturbations(head, chunks), COLLECTED)
        for tile in some:
            tile.scatter(block, add=add)
    insert_positions(head, chunks, in_order(layers, positioned), rows, columns, block, by_rows)
    by_rows_too = [*others, *dict.fromkeys(weight for layer in by_rows for weight in layer.weights)]
    insert_products(head, chunks, by_rows_too, others, rows, columns, block)
    return block.astype(dtype, copy=False)


def hessian_strip(
    head: Head, chunks: Chunks, rows: slice, stop: int | None = None, dtype: np.dtype[Any] | str = "float64"
) -> Array:
    """The rows of H from the diagonal to the right, H[rows, rows.start:stop], with a diagonal part that is symmetric.

    Returns
    -------
    array (rows, stop - rows.start), of the floating type ``dtype``; stop is W by default
    """
    columns = slice(rows.start, head.network.n_weights if stop is None else stop)
    strip = _block(head, chunks, rows, columns, np.dtype(dtype), upper=True)
    mirror(strip[:, : len(strip)])
    return strip
