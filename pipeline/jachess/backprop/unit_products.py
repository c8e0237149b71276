"""Rows and columns of the Hessian that belong to weights in no layer: the R-operator with unit vectors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from jachess.backprop.parallel import for_all
from jachess.backprop.places import mirror
from jachess.backprop.propagation import Chunks
from jachess.backprop.r_operator import perturbed_gradients
from jachess.network.graph import Array, Network, Weight
from jachess.network.head import Head

UNIT_VECTORS = 64
"""Rows that go through the R-operator together."""


def insert_products(
    head: Head,
    chunks: Chunks,
    down: Sequence[Weight],
    beside: Sequence[Weight],
    rows: slice,
    columns: slice,
    block: Array,
) -> None:
    """Rows of the tensors ``down`` and columns of those ``beside``; where they cross, the rows' products are taken.

    Passes back go no further than to the weights that are asked.
    """
    rest = [weight for weight in head.network.weights if weight not in down]
    for tensors, span, across, wanted, target in (
        (down, rows, columns, head.network.weights, block),
        (beside, columns, rows, rest, block.T),
    ):
        reached = [weight for weight in wanted if _common(weight.slice, across)]
        for weight in tensors if reached else ():
            own = _common(weight.slice, span)
            for some in _batches(own, len(block)) if own else ():  # products are not larger than the block
                products = _products(head, chunks, weight, some, reached)
                for other in reached:
                    part = _common(other.slice, across)
                    assert part is not None
                    target[_from(span, some), _from(across, part)] = products[:, part]


def fill_products(head: Head, chunks: Chunks, others: Sequence[Weight], whole: Array) -> None:
    """Rows and columns of these tensors in the whole matrix, symmetric to the last bit, on all cores.

    Each tensor's rows are computed for itself, for those of the others that enter later, and for weights in layers.
    """
    network = head.network
    in_order = sorted(others, key=lambda weight: _first_use(network, weight))
    in_layers = [weight for weight in network.weights if weight not in others]

    def fill(batch: tuple[int, slice]) -> None:
        number, some = batch
        own, reached = in_order[number], [*in_order[number:], *in_layers]
        products = _products(head, chunks, own, some, reached)
        for other in reached:
            whole[some, other.slice] = products[:, other.slice]
            if other is not own:
                whole[other.slice, some] = products[:, other.slice].T

    for_all(fill, [(n, some) for n, weight in enumerate(in_order) for some in _batches(weight.slice, UNIT_VECTORS)])
    for weight in others:
        mirror(whole[weight.slice, weight.slice])


def _products(head: Head, chunks: Chunks, weight: Weight, some: slice, reached: Collection[Weight]) -> Array:
    """Rows ``some`` of H, of a part of one tensor's weights, at the columns of the weights ``reached``."""
    n_rows = some.stop - some.start
    seeds = np.zeros((n_rows, weight.size), head.network.w.dtype)
    seeds[np.arange(n_rows), np.arange(some.start, some.stop) - weight.offset] = 1
    tensors = {weight.name: seeds.reshape(-1, *weight.shape)}
    return perturbed_gradients(head, chunks, tensors, targets=[weight.name for weight in reached])


def _first_use(network: Network, weight: Weight) -> int:
    return next((n for n, node in enumerate(network.nodes) if weight.name in node.inputs), len(network.nodes))


def _batches(span: slice, most: int) -> Iterator[slice]:
    step = min(UNIT_VECTORS, most)
    for start in range(span.start, span.stop, step):
        yield slice(start, min(start + step, span.stop))


def _common(a: slice, b: slice) -> slice | None:
    """What two ranges have in common, if anything."""
    start, stop = max(a.start, b.start), min(a.stop, b.stop)
    return slice(start, stop) if start < stop else None


def _from(span: slice, part: slice) -> slice:
    """A range, counted from the start of another one."""
    return slice(part.start - span.start, part.stop - span.start)
