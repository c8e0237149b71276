"""Operations as graphs of others: they need no rules of their own, once their graph is written down.

The reader puts the graph in the operation's place. It may depend on the shapes of the inputs, which are known by then,
but for the number of points: that may not enter it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array, Node
from jachess.network.operations.record import Call

MOST_NODES = 20_000


class Graph:
    """The graph that stands for a node, written operation by operation; values have the node's name in theirs.

    Parameters
    ----------
    node : Node
        The node that is replaced.
    call : Call
        Its attributes, with the defaults filled in, and its inputs, for their shapes.
    """

    def __init__(self, node: Node, call: Call) -> None:
        self.node, self.call = node, call
        self._nodes: list[Node] = []

    def input(self, slot: int) -> str:
        """Name of an input; "" if it is left out."""
        return self.node.inputs[slot] if slot < len(self.node.inputs) else ""

    def value(self, slot: int) -> Array:
        """An input's value, of which only the shape may be used, unless it is one of `Composite.static`."""
        found = self.call.inputs[slot]
        assert found is not None
        return found

    def wants(self, slot: int) -> bool:
        """Whether anything uses that output."""
        return slot < len(self.node.outputs) and bool(self.node.outputs[slot])

    def apply(self, operation: str, *inputs: str | Array | float | Sequence[int], **attributes: Any) -> str:
        """The output of an operation on values, or on constants."""
        return self.split(operation, *inputs, n_outputs=1, **attributes)[0]

    def split(
        self, operation: str, *inputs: str | Array | float | Sequence[int], n_outputs: int, **more: Any
    ) -> list[str]:
        """The outputs of an operation that has several."""
        names = tuple(value if isinstance(value, str) else self.constant(value) for value in inputs)
        outputs = tuple(self._name() if i == 0 else f"{self._name()}.{i}" for i in range(n_outputs))
        self.insert([Node(operation, names, outputs, more, self.node.name)])
        return list(outputs)

    def constant(self, value: Array | float | Sequence[int]) -> str:
        """A constant; whole numbers in a list are int64, single numbers of the network's floating type."""
        array = np.asarray(value, np.int64 if isinstance(value, list | tuple) else None)
        name = self._name()
        self.insert([Node("Constant", (), (name,), {"value": array}, self.node.name)])
        return name

    def insert(self, nodes: Sequence[Node]) -> None:
        """Add nodes as they are.

        Raises
        ------
        NetworkError
            If the graph gets too large, as a recurrence over a million steps does.
        """
        self._nodes.extend(nodes)
        if len(self._nodes) > MOST_NODES:
            raise NetworkError(f"its graph is too large (wanted at most {MOST_NODES} operations)")

    def finished(self, made: Sequence[str]) -> list[Node]:
        """The nodes, with the values ``made`` under the names of the replaced node's outputs."""
        names: dict[str, str] = {}
        for value, output in zip(made, self.node.outputs, strict=False):
            if output:  # what has a name already, as an input has, is passed on under one more
                own = any(value in node.outputs for node in self._nodes) and value not in names
                names[value if own else self.apply("Identity", value)] = output
        return [
            replace(
                node,
                inputs=tuple(names.get(name, name) for name in node.inputs),
                outputs=tuple(names.get(name, name) for name in node.outputs),
            )
            for node in self._nodes
        ]

    def _name(self) -> str:
        return f"{next(name for name in self.node.outputs if name)}/{len(self._nodes)}"


@dataclass(frozen=True)
class Composite:
    """An operation that is a graph of others.

    Attributes
    ----------
    name, inputs, attributes, weights, domain
        As for `jachess.network.operations.Operation`.
    write : Graph -> names of the values that are its outputs, as many as it wants
    static : tuple of int
        Inputs on whose values the graph depends: the same for all points.
    parameters : attributes -> arrays by name, or None
        Attributes that are weights: the reader makes them tensors, and these the inputs behind the first.
    """

    name: str
    inputs: tuple[int, int]
    write: Callable[[Graph], Sequence[str]]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[int, ...] = ()
    static: tuple[int, ...] = ()
    domain: str = ""
    moves: bool = False
    linear: bool = False
    parameters: Callable[[Mapping[str, Any]], Mapping[str, Array]] | None = None

    def nodes(self, node: Node, call: Call) -> list[Node]:
        """The graph in place of a node."""
        graph = Graph(node, call)
        return graph.finished(self.write(graph))
