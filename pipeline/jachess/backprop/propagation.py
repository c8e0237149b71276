"""Forward propagation, backpropagation, and their tangents: four passes over the graph.

    forward propagation                  values        from the points to the outputs
    push_tangents                        ẏ = f'ẋ       forward formalism, from any values (Exercise 8.5)
    pull_cotangents                      x̄ = f'ᵀȳ      reverse recursion (8.30), from any values
    pull_tangents_of_cotangents          R{x̄}          the R-operator's second half

Each asks a node's record for its rule and adds up what meets at a value. Tangents and cotangents carry one
leading axis, the rows of a block, so that one pass serves all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from jachess.backprop.diagonal import Diagonal, Tangent, common, dense
from jachess.network.evaluation import Disturb, applied, applied_again
from jachess.network.graph import Array, Network
from jachess.network.operations import TABLE
from jachess.network.operations.record import Call, Maybe, Operation, Wanted
from jachess.network.paths import descendants
from jachess.network.weight_vector import unpack
from jachess.network.working_arrays import empty_like

Points = tuple[Array, ...]
"""One array (n, *shape) for each input of the network."""

Chunks = Callable[[], Iterable[tuple[Points, Array]]]
"""Each call goes once through the points, in order, in chunks of (points, targets)."""


@dataclass(frozen=True)
class State:
    """All values of a network at some points, and the calls that made them, in the nodes' order.

    If they were disturbed, so are tangents and backpropagation from here.

    Attributes
    ----------
    n_working : int
        Elements of what one operation makes on the way, at most.
    """

    values: Mapping[str, Array]
    calls: tuple[Call, ...]
    n_points: int
    disturb: Disturb | None = None
    n_working: int = 0

    @property
    def n_elements(self) -> int:
        """Elements of all values together, and of what is made on the way from one to the next."""
        return self.n_working + sum(output.size for call in self.calls for output in call.outputs)

    def outputs(self, network: Network) -> Array:
        """The outputs (n, K)."""
        return self.values[network.output].reshape(self.n_points, network.n_outputs)


def forward(network: Network, points: Points, w: Array | None = None, disturb: Disturb | None = None) -> State:
    """Forward propagation of n points, with the network's own weights unless ``w`` (W,) is given.

    With ``disturb``, what it makes of each result, points and weights included, takes the result's place.
    """
    w = network.w if w is None else w
    if disturb is not None:
        points, w = tuple(disturb(array) for array in points), disturb(w)
    given = {i.name: array for i, array in zip(network.inputs, points, strict=True)}
    values, calls = applied(network.nodes, {**network.constants, **unpack(network, w), **given}, disturb)
    working = max((TABLE[n.operation].working(call) for n, call in zip(network.nodes, calls, strict=True)), default=0)
    return State(values, calls, len(points[0]), disturb, working)


def forward_again(network: Network, known: State, w: Array) -> State:
    """Forward propagation of the same points with other weights ``w`` (W,).

    Values that depend on no tensor that has changed stay what they are in the ``known`` state, which is not disturbed,
    and so do the calls that made them, with all that these know.
    """
    given = unpack(network, w).items()
    changed = {name: tensor for name, tensor in given if not np.array_equal(tensor, known.values[name])}
    values, calls = applied_again(network.nodes, known.values, known.calls, changed)
    return replace(known, values=values, calls=calls)


def zero_points(network: Network, n_points: int) -> Points:
    """Points of zeros, where the shapes of a network's values are all that is asked."""
    return tuple(
        np.zeros((n_points, *i.shape), network.w.dtype if i.dtype.startswith("float") else i.dtype)
        for i in network.inputs
    )


@lru_cache(maxsize=1)
def n_values(network: Network) -> int:
    """Elements of the values of one point, and of what is made on the way; at least 1. The last network's is kept."""
    return max(1, forward(network, zero_points(network, 1)).n_elements)


def outputs(network: Network, points: Points, w: Array | None = None) -> Array:
    """The outputs (n, K) of n points."""
    return forward(network, points, w).outputs(network)


def points_last(points: Points) -> Points:
    """The same points, lying in memory with the axis of points last: (n, units) as units of n numbers each.

    Most operations keep that order, so that whatever has to be summed over points is a product of matrices at once.
    """
    return tuple(np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0) for array in points)


def push_tangents(
    network: Network, state: State, seeds: Mapping[str, Tangent], until: str | None = None
) -> dict[str, Tangent]:
    """Tangents (rows, *shape) of all values that depend on the seeded ones.

    Parameters
    ----------
    seeds : mapping of value to tangents (rows, *shape)
        Those of unit perturbations may be `Diagonal`; they stay so as long as they meet elementwise operations.
    until : str, optional
        Stop when this value has its tangents.
    """
    tangents = dict(seeds)
    for node, call in zip(network.nodes, state.calls, strict=True):
        if until in tangents:
            break
        incoming = tuple(tangents.get(name) for name in node.inputs)
        record = TABLE[node.operation]
        if record.tangent is None or not _some(incoming):
            continue
        with np.errstate(all="ignore"):
            made = _pushed(record, call, incoming)
            if state.disturb is not None:
                made = _disturbed(state, record, tuple(dense(tangent) for tangent in made))
        tangents.update(
            {name: tangent for name, tangent in zip(node.outputs, made, strict=True) if tangent is not None}
        )
    return tangents


def _pushed(record: Operation, call: Call, incoming: tuple[Tangent | None, ...]) -> tuple[Tangent | None, ...]:
    """Tangents of an operation's outputs; diagonal ones are kept short as far as they go."""
    assert record.tangent is not None
    diagonal = common(record, call, incoming)
    if diagonal is not None:
        values, units = diagonal
        return tuple(None if own is None else Diagonal(own, units) for own in record.tangent(call, values))
    first = incoming[0]
    if isinstance(first, Diagonal) and record.from_diagonal is not None and not _some(incoming[1:]):
        found = record.from_diagonal(call, first.rows(), first.units)
        if found is not None:
            return (found,)
    return record.tangent(call, tuple(dense(tangent) for tangent in incoming))


def pull_cotangents(
    network: Network, state: State, seeds: Mapping[str, Array], targets: Collection[str]
) -> dict[str, Array]:
    """Cotangents (rows, *shape) of the values ``targets``, from those of the seeded values.

    A target that no seed depends on is missing from the result: its cotangent is zero.
    """
    wanted, targets = descendants(network, targets), set(targets)
    cotangents = dict(seeds)
    for node, call in zip(reversed(network.nodes), reversed(state.calls), strict=True):
        arriving = tuple(cotangents.get(name) for name in node.outputs)
        flags = tuple(name in wanted for name in node.inputs)
        rule = TABLE[node.operation].cotangent
        if rule is not None and any(flags) and _some(arriving):
            with np.errstate(all="ignore"):
                found = _disturbed(state, TABLE[node.operation], rule(call, arriving, flags))
                _add(cotangents, node.inputs, found)
        for name in node.outputs:  # a value's cotangent is whole when its maker's turn has come
            if name not in targets:
                cotangents.pop(name, None)
    return {name: cotangent for name, cotangent in cotangents.items() if name in targets}


def pull_tangents_of_cotangents(
    network: Network,
    state: State,
    tangents: Mapping[str, Tangent],
    cotangents: Mapping[str, Array],
    seeds: Mapping[str, Array],
    targets: Collection[str],
) -> dict[str, Array]:
    """How the cotangents of ``targets`` respond to the perturbation that ``tangents`` describe.

    Parameters
    ----------
    tangents : mapping of value to (rows, *shape)
        From `push_tangents`.
    cotangents : mapping of value to (*shape)
        δ of every value on the way, from `pull_cotangents`.
    seeds : mapping of value to (rows, *shape)
        Responses of the outputs' cotangents.

    Returns
    -------
    dict of target to (rows, *shape)
    """
    wanted, targets = descendants(network, targets), set(targets)
    responses = dict(seeds)
    for node, call in zip(reversed(network.nodes), reversed(state.calls), strict=True):
        flags = tuple(name in wanted for name in node.inputs)
        record = TABLE[node.operation]
        if any(flags) and record.cotangent is not None:
            arriving = tuple(responses.get(name) for name in node.outputs)
            pushed = tuple(tangents.get(name) for name in node.inputs)
            delta = tuple(cotangents.get(name) for name in node.outputs)
            with np.errstate(all="ignore"):
                found: Maybe = (None,) * len(node.inputs)
                if _some(arriving):
                    found = record.cotangent(call, arriving, flags)
                if record.curvature is not None and _some(pushed) and _some(delta):
                    found = _with_curvature(found, record, call, pushed, delta, flags)
            _add(responses, node.inputs, _disturbed(state, record, found))
        for name in node.outputs:
            if name not in targets:
                responses.pop(name, None)
    return {name: response for name, response in responses.items() if name in targets}


def _with_curvature(
    found: Maybe, record: Operation, call: Call, pushed: tuple[Tangent | None, ...], delta: Maybe, wanted: Wanted
) -> Maybe:
    """Cotangents of an operation's inputs and what its own curvature adds to them, added up in place."""
    assert record.curvature is not None
    diagonal = common(record, call, pushed, wanted)
    if diagonal is None:
        curved = record.curvature(call, tuple(dense(tangent) for tangent in pushed), delta, wanted)
        return tuple(
            b if a is None else a if b is None else np.add(a, b, out=b) for a, b in zip(found, curved, strict=True)
        )
    values, units = diagonal
    terms = (None if own is None else Diagonal(own, units) for own in record.curvature(call, values, delta, wanted))
    return tuple(dense(b) if a is None else a if b is None else b.add_to(a) for a, b in zip(found, terms, strict=True))


def _disturbed(state: State, record: Operation, made: Maybe) -> Maybe:
    """What an operation makes of tangents or cotangents, disturbed as the state's values are."""
    if state.disturb is None or record.moves:
        return made
    return tuple(None if each is None else state.disturb(each) for each in made)


def _some(tangents: Iterable[Tangent | None]) -> bool:
    return any(tangent is not None for tangent in tangents)


def _add(sums: dict[str, Array], names: Iterable[str], terms: Iterable[Array | None]) -> None:
    """Add each term to the sum at its value; a value that feeds several operations collects them all."""
    for name, term in zip(names, terms, strict=True):
        if term is not None and name:
            sums[name] = _sum(sums[name], term) if name in sums else term


def _sum(a: Array, b: Array) -> Array:
    """A + b in a working array that lies in memory as a does."""
    return np.add(a, b, out=empty_like(a, np.result_type(a, b)) if a.shape == b.shape else None)
