"""Operations that are graphs of others give way to those graphs, once the shapes of their inputs are known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from jachess.errors import NetworkError
from jachess.network.evaluation import graph_of, results
from jachess.network.graph import Array, Node
from jachess.network.operations import COMPOSITES, TABLE
from jachess.network.operations.composites.composite import MOST_NODES

LARGEST_TOGETHER = 2**28
"""Elements that all values together may have, for the few points that a network is tried with."""
_INPUTS_THAT_MATTER = {"Shape": 0, "Size": 0, "CastLike": 1}
"""How many of their inputs these read the values of: of the others they use shape and type alone."""


def values_read(node: Node) -> tuple[str, ...]:
    """Names of the inputs on whose values what a node makes depends."""
    return node.inputs[: _INPUTS_THAT_MATTER.get(node.operation)]


def expanded(nodes: Sequence[Node], values: Mapping[str, Array], variable: Collection[str]) -> list[Node]:
    """The nodes, with graphs in place of those operations that are some.

    Parameters
    ----------
    values : mapping
        Leaves of the graph: constants, weights, and a few points.
    variable : collection of str
        Those of them that vary with points or weights.

    Raises
    ------
    NetworkError
        If a graph depends on the values of the points, as that of an If with a computed condition does.
    """
    known, varying, waiting = dict(values), set(variable), list(nodes)[::-1]
    found, size = list[Node](), 0
    while waiting:
        node = waiting.pop()
        record = COMPOSITES.get(node.operation) or TABLE[node.operation]
        for name in varying.intersection(node.inputs[i] for i in record.static if i < len(node.inputs)):
            raise NetworkError(
                f"{node}: '{name}' depends on the points or on weights. Export the network without control flow, and "
                "with fixed shapes."
            )
        if node.operation in COMPOSITES:
            waiting += graph_of(node, known)[::-1]
            if len(found) + len(waiting) > MOST_NODES:
                raise NetworkError(f"the graph is too large (wanted at most {MOST_NODES} operations).")
        else:
            made = results(node, known)
            size += sum(np.size(value) for value in made.values())
            if size > LARGEST_TOGETHER:
                raise NetworkError(
                    f"the values for a few points are too large (wanted at most {LARGEST_TOGETHER} elements together)."
                )
            known.update(made)
            found.append(node)
            if not varying.isdisjoint(values_read(node)):
                varying.update(node.outputs)
    return found
