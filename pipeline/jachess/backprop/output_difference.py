"""Central differences of the outputs, along directions of the inputs."""

from __future__ import annotations

import numpy as np

from jachess.backprop.differences import OFFSETS, SMALLER, STEP, Difference, disturbance
from jachess.backprop.kinks import same_sides
from jachess.backprop.propagation import Points, forward
from jachess.network.graph import Array, Network


def shifted(points: Points, which: int, directions: Array, steps: Array | complex) -> Points:
    """The points with input number ``which`` moved by steps, one or (n, 1), times the directions (n, D)."""
    moved = points[which] + (steps * directions).reshape(points[which].shape)
    return (*points[:which], moved, *points[which + 1 :])


def difference_of_outputs(
    network: Network, points: Points, directions: Array, random: np.random.Generator, step: Array | float = STEP
) -> Difference:
    """Differences of the outputs (n, K) along one direction of the inputs for each point, ``directions`` (n, D).

    Parameters
    ----------
    random : Generator
        Disturbs the evaluation at the middle.
    step : float or array (n, 1)

    Returns
    -------
    Difference
        Arrays (n, K), NaN for points where every step met a kink.
    """
    which = next(i for i, x in enumerate(network.inputs) if x.name == network.input)
    shape = (len(directions), network.n_outputs)
    steps = np.array(np.broadcast_to(step, (len(directions), 1)))
    found = Difference(np.zeros(shape), np.zeros(shape), np.zeros(shape), steps)
    pending = np.arange(len(directions))
    for factor in SMALLER:
        some, reach = tuple(array[pending] for array in points), factor * np.broadcast_to(step, steps.shape)[pending]
        states = [forward(network, shifted(some, which, directions[pending], k * reach)) for k in OFFSETS]
        disturbed = forward(network, some, disturb=disturbance(random)).outputs(network)
        part = Difference.of([state.outputs(network) for state in states], reach, disturbed)
        found.value[pending], found.spread[pending], found.floor[pending] = part.value, part.spread, part.floor
        steps[pending] = reach
        pending = pending[~same_sides(network, states)]
        if not len(pending):
            break
    for array in (found.value, found.spread, found.floor):
        array[pending] = np.nan
    return found
