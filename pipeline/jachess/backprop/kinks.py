"""Kinks: where an operation changes its side, and a difference is no witness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jachess.backprop.propagation import State
from jachess.network.graph import Array, Network
from jachess.network.operations import TABLE


def same_sides(network: Network, states: Sequence[State]) -> Array:
    """Which points (n,) have no kink between the evaluations."""
    n_points = states[0].n_points
    smooth = np.ones(n_points, bool)
    for node, *calls in zip(network.nodes, *(state.calls for state in states), strict=True):
        rule = TABLE[node.operation].sides
        others = [call for call in calls if call is not calls[0]]  # states may share what is the same in them
        if rule is not None and others:
            first = _by_point(rule(calls[0]), n_points)
            for other in others:
                smooth &= (first == _by_point(rule(other), n_points)).all(axis=1)
    return smooth


def _by_point(piece: Array, n_points: int) -> Array:
    """On which piece an operation works, in a row for each point; what does not tell them apart counts for all."""
    piece = np.asarray(piece)
    apart = piece.ndim > 0 and piece.shape[0] > 0 and piece.shape[0] % n_points == 0
    return piece.reshape(n_points, -1) if apart else np.tile(piece.ravel(), (n_points, 1))
