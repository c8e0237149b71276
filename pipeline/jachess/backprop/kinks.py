"""Kinks: where an operation changes its side, and a difference is no witness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jachess.backprop.propagation import State
from jachess.network.graph import Array, Network
from jachess.network.operations import TABLE


def sides(network: Network, state: State) -> list[Array]:
    """On which piece each operation with kinks works, one array (n, …) for each such operation."""
    pieces = []
    for node, call in zip(network.nodes, state.calls, strict=True):
        rule = TABLE[node.operation].sides
        if rule is not None:
            piece = np.asarray(rule(call))
            by_point = piece.ndim > 0 and piece.shape[0] > 0 and piece.shape[0] % state.n_points == 0
            # what does not tell its points apart counts for all of them
            rows = piece.reshape(state.n_points, -1) if by_point else np.tile(piece.ravel(), (state.n_points, 1))
            pieces.append(rows)
    return pieces


def same_sides(network: Network, states: Sequence[State]) -> Array:
    """Which points (n,) have no kink between the evaluations."""
    smooth = np.ones(states[0].n_points, bool)
    pieces = [sides(network, state) for state in states]
    for others in pieces[1:]:
        for first, other in zip(pieces[0], others, strict=True):
            smooth &= (first == other).all(axis=1)
    return smooth
