"""The Jacobian J_ki = ∂y_k/∂x_i of the outputs with respect to the inputs, for all points of a chunk at once.

Reverse accumulation starts from the identity at the outputs, one row for each output k, and pulls the rows to the
inputs by the recursion (8.30); the output units' own derivatives (8.31 to 8.34) are the first rule on the way. Forward
accumulation pushes one column for each input. Mixed accumulation multiplies the Jacobians of segments of the network.
All three are the same sums in another order.
"""

from __future__ import annotations

import numpy as np

from jachess.backprop.cuts import Bracket, Cut, bracket_of, cheapest, find_cuts
from jachess.backprop.diagonal import dense
from jachess.backprop.propagation import Points, State, forward, pull_cotangents, push_tangents
from jachess.errors import InputError
from jachess.network.graph import Array, Network

METHODS = ("auto", "reverse", "forward", "mixed")

_BUDGET = 1 << 20
"""Elements (rows × points × units) of a pass, so that its arrays stay near the cache."""


def jacobian_rows(network: Network, points: Points, *, method: str = "auto", rows: slice | None = None) -> Array:
    """Jacobians of n points.

    Parameters
    ----------
    network : Network
    points : tuple of arrays (n, *shape)
        One for each input of the network.
    method : {"auto", "reverse", "forward", "mixed"}
        ``auto`` takes what needs the fewest operations.
    rows : slice, optional
        The outputs k to compute; all by default.

    Returns
    -------
    array (n, K, D), float64
        Row k of a point holds ∂y_k/∂x_i (8.29).

    Raises
    ------
    InputError
        If the method is unknown.
    """
    if method not in METHODS:
        raise InputError(f"method: unknown way to accumulate a Jacobian (wanted {', '.join(METHODS)}; got {method!r}).")
    chosen = range(network.n_outputs)[rows if rows is not None else slice(None)]
    jacobian = np.zeros((len(points[0]), len(chosen), network.n_inputs))
    step = max(1, _BUDGET // _elements_per_point(network))
    for start in range(0, len(points[0]), step):
        part = slice(start, start + step)
        state = forward(network, tuple(array[part] for array in points))
        if len(chosen) == network.n_outputs:
            jacobian[part] = _whole(network, state, method)
        else:
            cuts = [Cut(network.input, network.n_inputs, 0.0), Cut(network.output, network.n_outputs, 0.0)]
            seeds = np.eye(network.n_outputs)[list(chosen)]
            jacobian[part] = _pull(network, state, cuts, (0, 1), _rows(seeds, state.n_points))
    return jacobian


def _elements_per_point(network: Network) -> int:
    widest = max([network.n_inputs, network.n_outputs] + [max(w.shape, default=1) for w in network.weights])
    return min(network.n_inputs, network.n_outputs) * widest


def _rows(matrix: Array, n_points: int) -> Array:
    """The same rows (R, M) for every point, as (n, R, M)."""
    return np.broadcast_to(matrix, (n_points, *matrix.shape))


def _whole(network: Network, state: State, method: str) -> Array:
    cuts = find_cuts(network, state)
    if not cuts or cuts[-1].value != network.output:
        if not cuts:  # no output depends on the input
            return np.zeros((state.n_points, network.n_outputs, network.n_inputs))
        cuts.append(Cut(network.output, network.n_outputs, 1.0))
    return _between(network, state, cuts, cheapest(cuts, method))


def _between(network: Network, state: State, cuts: list[Cut], bracket: Bracket) -> Array:
    """The Jacobian (n, width of end, width of start) of one value with respect to another."""
    start, end, middle = bracket.start, bracket.end, bracket.middle
    if middle is None:
        if bracket.how == "reverse":
            return _pull(network, state, cuts, (start, end), _rows(np.eye(cuts[end].width), state.n_points))
        return _push(network, state, cuts, (start, end), _rows(np.eye(cuts[start].width), state.n_points))
    if bracket.how == "forward":
        before = _between(network, state, cuts, bracket_of(cuts, start, middle))
        return _push(network, state, cuts, (middle, end), before)
    behind = _between(network, state, cuts, bracket_of(cuts, middle, end))
    if bracket.how == "reverse":
        return _pull(network, state, cuts, (start, middle), behind)
    before = _between(network, state, cuts, bracket_of(cuts, start, middle))
    return np.asarray(np.matmul(behind, before))


def _push(network: Network, state: State, cuts: list[Cut], ends: tuple[int, int], jacobian: Array) -> Array:
    """Columns (n, width of start, C) pushed to the end: (n, width of end, C)."""
    start, end = cuts[ends[0]].value, cuts[ends[1]].value
    seeds = jacobian.transpose(2, 0, 1).reshape(-1, *state.values[start].shape)
    tangents = push_tangents(network, state, {start: seeds}, until=end)
    return _moved(dense(tangents.get(end)), len(seeds), state.n_points, cuts[ends[1]].width).transpose(0, 2, 1)


def _pull(network: Network, state: State, cuts: list[Cut], ends: tuple[int, int], jacobian: Array) -> Array:
    """Rows (n, R, width of end) pulled to the start: (n, R, width of start)."""
    start, end = cuts[ends[0]].value, cuts[ends[1]].value
    seeds = jacobian.transpose(1, 0, 2).reshape(-1, *state.values[end].shape)
    cotangents = pull_cotangents(network, state, {end: seeds}, [start])
    return _moved(cotangents.get(start), len(seeds), state.n_points, cuts[ends[0]].width)


def _moved(rows: Array | None, n_rows: int, n_points: int, width: int) -> Array:
    """Rows (R, n, *shape) as (n, R, width)."""
    if rows is None:
        return np.zeros((n_points, n_rows, width))
    return rows.reshape(n_rows, n_points, width).transpose(1, 0, 2)
