"""Layers whose weights act at many positions: kernels of convolutions, and matrices that meet each token of a sequence.

Such a unit has a pre-activation at each of S positions, a_js = Σ_i w_ji z_is. To perturb all of these takes S passes a
unit where its weights one by one take as many as it has inputs, so a layer is worth being seen as one where S < I. Of
layers that share weights all pre-activations together must be fewer than the weights.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from jachess.network.graph import Network, Weight
from jachess.network.layers import Layer, find_layers
from jachess.network.matrix_uses import MatrixUse, matrix_uses
from jachess.network.operations.record import PointAxis
from jachess.network.weight_uses import Place, Use, weight_uses


@dataclass(frozen=True)
class PositionedLayer(Layer):
    """Units with pre-activations at several positions, a (n, M, S).

    Attributes
    ----------
    weights : tuple of Weight
        The tensors that the indices go through: a matrix and, where there is one, its bias.
    n_positions : int
        S.
    point_axis : PointAxis
        Where the points are in the pre-activation.
    """

    weights: tuple[Weight, ...]
    n_positions: int
    point_axis: PointAxis


@lru_cache(maxsize=1)
def all_layers(network: Network) -> tuple[tuple[Layer, ...], tuple[PositionedLayer, ...], tuple[Weight, ...]]:
    """The layers without positions, those with them, and the weight tensors in neither.

    The last network's are kept: for a block of few rows, finding them takes longer than using them.
    """
    layers, others = find_layers(network)
    return layers, *find_positioned(network, others)


def find_positioned(
    network: Network, others: Collection[Weight]
) -> tuple[tuple[PositionedLayer, ...], tuple[Weight, ...]]:
    """Of weight tensors in no layer, those that act at fewer positions than units have inputs, and the rest.

    A tensor that is used several times is in several such layers, or in none.
    """
    if not others:
        return (), ()
    uses, kept = weight_uses(network, others), frozenset(others)
    candidates = matrix_uses(network, uses)
    while True:
        layers, covered = [], set()
        for candidate in candidates:
            parts = [part for part in candidate.parts if kept.issuperset(uses[part[0]].weights)]
            if candidate.parts[0] in parts:
                layers.append(_layer(network, uses, replace(candidate, parts=tuple(parts))))
                covered |= {place for place, *_ in parts}
        lost = {weight for place in uses.keys() - covered for weight in uses[place].weights}
        for group in sharing(layers):
            tensors = {weight for layer in group for weight in layer.weights}
            passes = sum(layer.indices.shape[1] * layer.n_positions for layer in group)
            lost |= tensors if passes >= sum(weight.size for weight in tensors) else set()
        if kept.isdisjoint(lost):
            return tuple(layers), tuple(weight for weight in others if weight not in kept)
        kept -= lost


def sharing(layers: Iterable[PositionedLayer]) -> list[list[PositionedLayer]]:
    """Groups of layers that have tensors in common, directly or through others."""
    groups: list[list[PositionedLayer]] = []
    for layer in layers:
        own = set(layer.weights)
        apart = [group for group in groups if all(own.isdisjoint(other.weights) for other in group)]
        joined = [other for group in groups if group not in apart for other in group]
        groups = [*apart, [*joined, layer]]
    return groups


def place_in_order(layer: Layer) -> tuple[int, bool]:
    """A key for the topological order; of two with one pre-activation the one without positions comes first."""
    return layer.order, isinstance(layer, PositionedLayer)


def in_order(layers: Sequence[Layer], positioned: Sequence[PositionedLayer]) -> list[Layer]:
    """All of them, in topological order."""
    return sorted([*layers, *positioned], key=place_in_order)


def _layer(network: Network, uses: Mapping[Place, Use], found: MatrixUse) -> PositionedLayer:
    return PositionedLayer(
        network.nodes[found.node].outputs[0],
        found.node,
        tuple((source, len(indices)) for _, source, indices in found.parts),
        np.concatenate([indices for *_, indices in found.parts]),
        tuple(dict.fromkeys(weight for place, *_ in found.parts for weight in uses[place].weights)),
        found.n_positions,
        found.axis,
    )
