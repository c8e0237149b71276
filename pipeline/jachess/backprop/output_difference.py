"""Central differences of what each point has of its own, such as its outputs, along directions of inputs or weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jachess.backprop.differences import OFFSETS, SMALLER, STEP, Difference, disturbance
from jachess.backprop.kinks import same_sides
from jachess.backprop.propagation import Points, State, forward
from jachess.network.graph import Array, Network


def shifted(points: Points, which: int, directions: Array, steps: Array | complex) -> Points:
    """The points with input number ``which`` moved by steps, one or (n, 1), times the directions (n, D)."""
    moved = points[which] + (steps * directions).reshape(points[which].shape)
    return (*points[:which], moved, *points[which + 1 :])


def difference_of_outputs(
    network: Network, points: Points, directions: Array, random: np.random.Generator, step: Array | float = STEP
) -> Difference:
    """Differences of the outputs (n, K) along one direction of the inputs for each point, ``directions`` (n, D).

    See `difference_along_inputs`.
    """
    return difference_along_inputs(network, points, directions, lambda state: state.outputs(network), random, step)


def difference_along_inputs(
    network: Network,
    points: Points,
    directions: Array,
    values: Callable[[State], Array],
    random: np.random.Generator,
    step: Array | float = STEP,
) -> Difference:
    """Differences of some values along one direction of the inputs for each point.

    Parameters
    ----------
    directions : array (n, D)
    values : State -> array (n, R)
        What is differenced.
    random : Generator
        Disturbs the evaluation at the middle.
    step : float or array (n, 1)

    Returns
    -------
    Difference
        Arrays (n, R), NaN for points where every step met a kink.
    """
    which = network.input_place

    def beside(some: Points, chosen: Array, reach: Array) -> State:
        return forward(network, shifted(some, which, directions[chosen], reach))

    return _difference(network, points, beside, values, random, step)


def difference_along_weights(
    network: Network, points: Points, direction: Array, random: np.random.Generator, step: float = STEP
) -> Difference:
    """Differences of the outputs (n, K) along one direction (W,) of the weights, NaN where every step met a kink."""

    def beside(some: Points, chosen: Array, reach: Array) -> State:
        return forward(network, some, network.w + reach[0] * direction)

    return _difference(network, points, beside, lambda state: state.outputs(network), random, step)


def _difference(
    network: Network,
    points: Points,
    beside: Callable[[Points, Array, Array], State],
    values: Callable[[State], Array],
    random: np.random.Generator,
    step: Array | float,
) -> Difference:
    """Differences for each point, with smaller steps for those that meet a kink.

    Parameters
    ----------
    beside : (points, which they are, reach (m, 1)) -> State
        The network so far from the middle.
    """
    pending = np.arange(len(points[0]))
    steps = np.array(np.broadcast_to(step, (len(pending), 1)))
    found: Difference | None = None
    for factor in SMALLER:
        some, reach = tuple(array[pending] for array in points), factor * np.broadcast_to(step, steps.shape)[pending]
        states = [beside(some, pending, k * reach) for k in OFFSETS]
        disturbed = values(forward(network, some, disturb=disturbance(random)))
        part = Difference.of([values(state) for state in states], reach, disturbed)
        steps[pending] = reach
        if found is None:
            found = Difference(part.value, part.spread, part.floor, steps)
        else:
            found.value[pending], found.spread[pending], found.floor[pending] = part.value, part.spread, part.floor
        pending = pending[~same_sides(network, states)]
        if not len(pending):
            break
    assert found is not None
    for array in (found.value, found.spread, found.floor):
        array[pending] = np.nan
    return found
