"""The Jacobian J_ki = ∂y_k/∂x_i of the outputs with respect to the inputs, for all points of a chunk at once.

Reverse accumulation starts from the identity at the outputs, one row for each output k, and pulls the rows to the
inputs by the recursion (8.30); the output units' own derivatives (8.31 to 8.34) are the first rule on the way. Forward
accumulation pushes one column for each input. Mixed accumulation multiplies the Jacobians of segments of the network.
All three are the same sums in another order.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from jachess.backprop.cuts import Bracket, Cut, cheapest, find_cuts
from jachess.backprop.factors import Constant, Factor, product, spelled
from jachess.backprop.propagation import Points, State, forward, points_last, zero_points
from jachess.backprop.segments import Segment, find_segments, in_runs
from jachess.errors import InputError
from jachess.network.graph import Array, Network
from jachess.network.paths import cut_at

METHODS = ("auto", "reverse", "forward", "mixed")

WORKING = 1 << 20
"""Elements of the largest working array of a chunk of points: what stays in cache."""
PASSED = 1 << 22
"""The same where rows are pulled, or columns pushed, through the graph: few of the values counted are there at once."""


class JacobianKernel:
    """A way to compute the Jacobians of a network, found once for all points.

    Parameters
    ----------
    network : Network
    method : {"auto", "reverse", "forward", "mixed"}
        ``auto`` takes what needs the fewest operations.
    rows : slice, optional
        The outputs k to compute; all by default.

    Attributes
    ----------
    n_rows : int
    width : int
        Elements of the largest working array for one point.
    cost : float
        Multiplications for one point, in the products of its segments.
    passed : bool
        Whether rows or columns have to pass through the graph, one operation after the other.
    points_at_once : int
        Points of a chunk whose working arrays stay in cache.

    Raises
    ------
    InputError
        If the method is unknown.
    NetworkError
        If the input cannot be differentiated.
    """

    def __init__(self, network: Network, *, method: str = "auto", rows: slice | None = None) -> None:
        if method not in METHODS:
            wanted = ", ".join(METHODS)
            raise InputError(f"method: unknown way to accumulate a Jacobian (wanted {wanted}; got {method!r}).")
        network.check_input()
        self.network = network
        state, pair = (forward(network, zero_points(network, n_points)) for n_points in (1, 2))
        cuts = find_cuts(network, state, pair)
        self._depends = bool(cuts)
        chosen = list(range(network.n_outputs)[rows if rows is not None else slice(None)])
        self.n_rows = len(chosen)
        self._chosen: Factor = None
        self._segments: list[Segment] = []
        if cuts:
            if cuts[-1].value != network.output:
                end = Cut(network.output, network.n_outputs, 1.0, len(network.nodes) - 1, state.n_elements)
                cuts.append(end)
            if len(chosen) < network.n_outputs:
                self._chosen = Constant(np.eye(network.n_outputs, dtype=network.w.dtype)[chosen])
                method = "reverse"
            segments = find_segments(network, cuts, state)
            self._bracket = cheapest([cuts[0], *(segment.end for segment in segments)], method)
            needs = [segment.needs for segment in in_runs(segments) if segment.needs is not None]
            last = needs[-1] if needs else network.input
            self.network = cut_at(network, last, state.values[last].shape[1:])  # no further forward
            self._segments = [replace(segment, network=self.network) for segment in segments]
        self.width, self.cost = (self._bracket.elements, self._bracket.cost) if cuts else (1, 0.0)
        self.passed = any(segment.passed for segment in self._segments)
        self.points_at_once = max(1, (PASSED if self.passed else WORKING) // self.width)

    def fill(self, points: Points, jacobian: Array) -> None:
        """Write the Jacobians of n points into an array (n, K, D)."""
        for start in range(0, len(jacobian), self.points_at_once):
            part = slice(start, start + self.points_at_once)
            self._fill_chunk(tuple(array[part] for array in points), jacobian[part])

    def _fill_chunk(self, points: Points, jacobian: Array) -> None:
        if not self._depends:  # no output depends on the input
            jacobian[...] = 0
            return
        state = forward(self.network, points_last(points) if self.passed else points)
        found = self._between(state, self._bracket, self._chosen, jacobian)
        if found is not jacobian:
            jacobian[...] = spelled(found, len(jacobian), self.network.n_inputs, self.network.w.dtype)

    def _between(self, state: State, bracket: Bracket, rows: Factor = None, out: Array | None = None) -> Factor:
        """The Jacobian of one cut with respect to another, or those rows times it."""
        found: Factor = None
        if bracket.how == "reverse":
            found, end = rows, bracket.end
            if bracket.behind is not None:
                found, end = self._between(state, bracket.behind), bracket.behind.start
            segments = list(in_runs(self._segments[bracket.start : end]))
            for segment in reversed(segments):
                found = segment.pull(found, state, out if segment is segments[0] else None)
            return found
        if bracket.how == "forward":
            start = bracket.start
            if bracket.before is not None:
                found, start = self._between(state, bracket.before), bracket.before.end
            segments = list(in_runs(self._segments[start : bracket.end]))
            for segment in segments:
                found = segment.push(found, state, out if segment is segments[-1] else None)
            return found
        assert bracket.before is not None
        assert bracket.behind is not None
        return product(self._between(state, bracket.behind), self._between(state, bracket.before), out)


@lru_cache(maxsize=1)
def kernel_of(
    network: Network, dtype: np.dtype[Any], method: str = "auto", rows: tuple[Any, Any, Any] | None = None
) -> JacobianKernel:
    """The kernel in a floating type. The last is kept: for a few points, finding it takes longer than using it."""
    return JacobianKernel(network.astype(dtype), method=method, rows=None if rows is None else slice(*rows))


def jacobian_rows(network: Network, points: Points, *, method: str = "auto") -> Array:
    """Jacobians (n, K, D) of n points, in the floating type of the network's weights; see `JacobianKernel`."""
    kernel = kernel_of(network, network.w.dtype, method)
    jacobian = np.empty((len(points[0]), kernel.n_rows, network.n_inputs), network.w.dtype)
    kernel.fill(points, jacobian)
    return jacobian
