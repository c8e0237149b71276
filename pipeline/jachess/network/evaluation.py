"""Forward application of the operations, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array, Node
from jachess.network.operations import TABLE
from jachess.network.operations.record import Arrays, Call


def call_of(node: Node, values: Mapping[str, Array], outputs: Arrays = ()) -> Call:
    """The call that a node makes on these values, with the operation's default attributes filled in."""
    attributes = {**TABLE[node.operation].attributes, **node.attributes}
    if node.operation == "Split" and not attributes["num_outputs"]:
        attributes["num_outputs"] = len(node.outputs)
    return Call(attributes, tuple(values[name] if name else None for name in node.inputs), outputs)


Disturb = Callable[[Array], Array]
"""What is done to every result of arithmetic, to see what its rounding does."""


def evaluate(nodes: Sequence[Node], values: Mapping[str, Array], disturb: Disturb | None = None) -> dict[str, Array]:
    """All values of a graph, from those that are given, each of them disturbed if ``disturb`` is given.

    Raises
    ------
    NetworkError
        If an operation cannot be applied to its inputs; names the node.
    """
    known = dict(values)
    for node in nodes:
        try:
            with np.errstate(all="ignore"):
                made = TABLE[node.operation].forward(call_of(node, known))
                if disturb is not None and not TABLE[node.operation].moves:
                    made = tuple(disturb(value) for value in made)
        except (NetworkError, ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError) as error:
            raise NetworkError(f"{node}: {error}") from error
        known.update(zip(node.outputs, made, strict=False))
    return known
