"""Where weights take part in arithmetic, in which order they lie there, and which tensors they are of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from jachess.network.graph import Network, Weight
from jachess.network.layers import CONSTANT, Indices, moved_weights

Place = tuple[int, int]
"""Number of a node, and one of its input slots; the network's output is behind the last node."""


@dataclass(frozen=True)
class Use:
    """Weights in one place.

    Attributes
    ----------
    weights : tuple of Weight
        The tensors that they are of.
    indices : int array
        Where each of them is in w, as they lie there; CONSTANT beside them.
    """

    weights: tuple[Weight, ...]
    indices: Indices


def weight_uses(network: Network, tensors: Collection[Weight]) -> dict[Place, Use]:
    """All places in which weights of these tensors are used, but for those where they are only moved."""
    moved, movers = moved_weights(network)
    ends = np.array([weight.offset + weight.size for weight in network.weights])
    places = [
        *((n, slot, name) for n, node in enumerate(network.nodes) for slot, name in enumerate(node.inputs)),
        (len(network.nodes), 0, network.output),
    ]
    found = {}
    for number, slot, name in places:
        if number not in movers and name in moved:
            owners = np.unique(np.searchsorted(ends, moved[name][moved[name] != CONSTANT], side="right")).tolist()
            use = Use(tuple(network.weights[owner] for owner in owners), moved[name])
            found.update({(number, slot): use} if any(weight in tensors for weight in use.weights) else {})
    return found
