"""Forward application of the operations, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array, Node
from jachess.network.operations import COMPOSITES, TABLE
from jachess.network.operations.record import Arrays, Call

_REFUSALS = (NetworkError, ValueError, TypeError, LookupError, ArithmeticError)
"""What operations raise if their inputs and attributes do not fit them."""


def call_of(node: Node, values: Mapping[str, Array], outputs: Arrays = ()) -> Call:
    """The call that a node makes on these values, with the operation's default attributes filled in."""
    record = TABLE[node.operation] if node.operation in TABLE else COMPOSITES[node.operation]
    attributes = {**record.attributes, **node.attributes}
    if node.operation == "Split" and not attributes["num_outputs"]:
        attributes["num_outputs"] = len(node.outputs)
    return Call(attributes, tuple(values[name] if name else None for name in node.inputs), outputs)


Disturb = Callable[[Array], Array]
"""What is done to every result of arithmetic, to see what its rounding does."""


def evaluate(nodes: Iterable[Node], values: Mapping[str, Array], disturb: Disturb | None = None) -> dict[str, Array]:
    """All values of a graph, from those that are given, each of them disturbed if ``disturb`` is given.

    Raises
    ------
    NetworkError
        If an operation cannot be applied to its inputs; names the node.
    """
    return applied(nodes, values, disturb)[0]


def applied(
    nodes: Iterable[Node], values: Mapping[str, Array], disturb: Disturb | None = None
) -> tuple[dict[str, Array], tuple[Call, ...]]:
    """All values of a graph, as `evaluate` gives them, and the calls that made them, with what these know by then."""
    known = dict(values)
    return known, tuple(_extend(known, node, disturb) for node in nodes)


def applied_again(
    nodes: Iterable[Node], values: Mapping[str, Array], calls: Iterable[Call], changed: Mapping[str, Array]
) -> tuple[dict[str, Array], tuple[Call, ...]]:
    """The same for other arrays in place of some that were given, from all values and calls that there were.

    What depends on none of those that ``changed`` stays, and so do its calls with what they know. The checks rest on
    this: it does not go by `descendants` as backpropagation does, whose errors must not hide themselves.
    """
    known, anew, found = {**values, **changed}, set(changed), []
    for node, call in zip(nodes, calls, strict=True):
        depends = not anew.isdisjoint(node.inputs)
        anew.update(node.outputs if depends else ())
        found.append(_extend(known, node) if depends else call)
    return known, tuple(found)


def _extend(known: dict[str, Array], node: Node, disturb: Disturb | None = None) -> Call:
    """Add what a node makes of the values that are known to them; its call."""
    call, made = _apply(node, known)
    if disturb is not None and not TABLE[node.operation].moves:
        made = tuple(disturb(value) for value in made)
    known.update(zip(node.outputs, made, strict=False))
    return replace(call, outputs=tuple(known[name] for name in node.outputs))


def results(node: Node, values: Mapping[str, Array]) -> dict[str, Array]:
    """What one node makes of its inputs.

    Raises
    ------
    NetworkError
        If it cannot be applied to them.
    """
    return dict(zip(node.outputs, _apply(node, values)[1], strict=False))


def _apply(node: Node, values: Mapping[str, Array]) -> tuple[Call, Arrays]:
    try:
        with np.errstate(all="ignore"):
            call = call_of(node, values)
            return call, TABLE[node.operation].forward(call)
    except _REFUSALS as error:
        raise NetworkError(f"{node}: {error}") from error


def graph_of(node: Node, values: Mapping[str, Array]) -> list[Node]:
    """The graph that stands for a node with an operation that is one of others, for inputs of these shapes.

    Raises
    ------
    NetworkError
        If the operation does not fit its inputs.
    """
    try:
        return COMPOSITES[node.operation].nodes(node, call_of(node, values))
    except _REFUSALS as error:
        raise NetworkError(f"{node}: {error}") from error
