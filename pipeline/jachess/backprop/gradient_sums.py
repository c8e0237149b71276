"""Gradients and errors along a direction of the weights, summed over points that have no kinks there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jachess.backprop.differences import Difference, disturbance
from jachess.backprop.gradient import gradient_at
from jachess.backprop.kinks import same_sides
from jachess.backprop.propagation import Points, State, forward, forward_again
from jachess.network.graph import Array
from jachess.network.head import Head


class GradientSums:
    """Gradients and errors at some offsets, and perhaps disturbed at 0, summed over points without kinks in between.

    Errors are counted from those at the first offset, point by point: what is subtracted in the end anyway would only
    add the rounding of a large sum. What is left is that of each E_n.

    Parameters
    ----------
    direction : array (W,)
    asked : sequence of str
        The weight tensors whose gradients are summed.
    offsets : sequence of float
        In steps; the two in the middle are nearest to 0.
    disturbed : bool
        Whether there is the disturbed evaluation.
    """

    def __init__(
        self,
        head: Head,
        direction: Array,
        asked: Sequence[str],
        step: float,
        offsets: Sequence[float],
        disturbed: bool,
    ) -> None:
        self.gradients = np.zeros((len(offsets) + disturbed, head.network.n_weights))
        self.errors = np.zeros((len(offsets) + disturbed, 1))
        self.squares = 0.0
        self.step, self.offsets, self.disturbed = step, offsets, disturbed
        self._head, self._move, self._asked = head, step * direction, asked

    def add(self, points: Points, targets: Array, random: np.random.Generator) -> Array:
        """Add what the points without kinks contribute; which ones (n,)."""
        head, network = self._head, self._head.network
        states = self._states(points)
        smooth = same_sides(network, states)
        if not smooth.any():
            return smooth
        if not smooth.all():
            points, targets = tuple(array[smooth] for array in points), targets[smooth]
            states = self._states(points)
        middle = forward_again(network, states[0], network.w) if head.outer_product else None
        aims = [targets] * len(states)
        if self.disturbed:
            disturb = disturbance(random)
            states.append(forward(network, points, disturb=disturb))
            aims.append(disturb(targets))  # δ is a difference from them, and as uncertain as they
        start: Array | None = None
        for number, aim in enumerate(aims):
            state = states.pop(0)  # each has its derivatives once it is asked for them: not all at the same time
            through = middle if state.disturb is None else state
            self.gradients[number] += gradient_at(head, state, aim, through, self._asked)
            errors = head.error.value(state.outputs(network), aim)
            start = errors if start is None else start
            self.errors[number] += (errors - start).sum()
        self.squares += float((errors**2).sum())
        return smooth

    def _states(self, points: Points) -> list[State]:
        """The network at all offsets. What depends on no weight that moves is in all of them, and made once."""
        first, *others = (self._head.network.w + k * self._move for k in self.offsets)
        state = forward(self._head.network, points, first)
        return [state, *(forward_again(self._head.network, state, w) for w in others)]

    def of_gradient(self) -> Difference:
        """The differences (W,) of the gradient."""
        return self._difference(self.gradients)

    def of_error(self) -> Difference:
        """The difference (1,) of E, which is as large as the root of its terms' squares."""
        return self._difference(self.errors, self.squares**0.5)

    def middle(self) -> Array:
        """The gradient (W,), as the mean of those at either side."""
        half = len(self.offsets) // 2
        return np.asarray((self.gradients[half - 1] + self.gradients[half]) / 2)

    def _difference(self, values: Array, size: float | None = None) -> Difference:
        n = len(self.offsets)
        return Difference.of(values[:n], self.step, values[n] if self.disturbed else None, size)
