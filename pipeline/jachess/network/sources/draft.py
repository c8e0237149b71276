"""A graph written operation by operation, for sources that have none of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.assembly import Choice, Parts, assemble
from jachess.network.assembly.choice import choose_input, choose_outputs
from jachess.network.graph import Array, Input, Network, Node
from jachess.network.operations.composites.composite import MOST_NODES
from jachess.network.sources.tensors import as_tensors


class Draft:
    """Nodes and tensors of a network in the making.

    Parameters
    ----------
    tensors : mapping of str to array
        In the order of the weight vector.
    inputs : sequence of Input
    """

    def __init__(self, tensors: Mapping[str, Any], inputs: Sequence[Input]) -> None:
        self.tensors = as_tensors(tensors)
        self.inputs = tuple(inputs)
        self.weights, self.used = set[str](), set[str]()
        self._nodes: list[Node] = []
        self._counts: defaultdict[str, int] = defaultdict(lambda: 1)
        self._taken = {*self.tensors, *(i.name for i in inputs)}
        if len(self._taken) < len(self.tensors) + len(self.inputs):
            raise NetworkError("an input has the name of a tensor, or of another input.")

    def weight(self, name: str, shape: Sequence[int | None] | None = None) -> str:
        """A tensor that is a weight, as often as it is used: one leaf of the graph.

        Raises
        ------
        NetworkError
            If there is no such tensor, or it has not this shape (None: any size).
        """
        self.weights.add(self.tensor(name, shape))
        return name

    def tensor(self, name: str, shape: Sequence[int | None] | None = None) -> str:
        """A tensor that is a constant, unless it is a `weight` as well.

        Raises
        ------
        NetworkError
            As `weight` does.
        """
        if name not in self.tensors:
            raise NetworkError(f"parameter '{name}': is missing (got {_some(self.tensors)}).")
        found = self.tensors[name].shape
        if self.tensors[name].dtype.kind != "f":
            raise NetworkError(f"parameter '{name}': wanted floating numbers (got {self.tensors[name].dtype}).")
        if shape is not None and (
            len(found) != len(shape)
            or any(wanted not in (None, size) for wanted, size in zip(shape, found, strict=True))
        ):
            raise NetworkError(f"parameter '{name}': its shape does not fit (wanted {_shape(shape)}; got {found}).")
        self.used.add(name)
        return name

    def constant(self, value: Array | float | Sequence[int]) -> str:
        """A constant; whole numbers in a list are int64, others floating."""
        whole = isinstance(value, list | tuple)
        name = self._fresh("constant")
        self.tensors[name] = np.array(value, np.int64 if whole else np.float64)
        return name

    def apply(self, operation: str, *inputs: str | Array | float | Sequence[int], **more: Any) -> str:
        """The output of an operation on values, or on constants.

        Raises
        ------
        NetworkError
            If the graph gets too large.
        """
        return self.outputs(operation, *inputs, n_outputs=1, **more)[0]

    def outputs(
        self, operation: str, *inputs: str | Array | float | Sequence[int], n_outputs: int, **more: Any
    ) -> list[str]:
        """The outputs of an operation that has several.

        Raises
        ------
        NetworkError
            If the graph gets too large.
        """
        names = tuple(value if isinstance(value, str) else self.constant(value) for value in inputs)
        made = tuple(self._fresh(operation.lower()) for _ in range(n_outputs))
        self._nodes.append(Node(operation, names, made, more, made[0]))
        if len(self._nodes) > MOST_NODES:
            raise NetworkError(f"the graph is too large (wanted at most {MOST_NODES} operations).")
        return list(made)

    def network(
        self,
        outputs: Sequence[str],
        weights: Choice = "auto",
        input: str | None = None,
        output: str | None = None,
    ) -> Network:
        """The network with these outputs; its weights are those that the draft has used as such, by default.

        Raises
        ------
        NetworkError
            As `jachess.network.assembly.assemble` does.
        """
        parts = Parts(
            self._nodes,
            self.tensors,
            self.inputs,
            choose_input(self.inputs, input),
            choose_outputs(outputs, output),
            weights=[name for name in self.tensors if name in self.weights],
        )
        return assemble(parts, weights)

    def _fresh(self, stem: str) -> str:
        """A name that nothing has yet."""
        name = stem
        while name in self._taken:
            self._counts[stem] += 1
            name = f"{stem} {self._counts[stem]}"
        self._taken.add(name)
        return name


def _some(names: Mapping[str, Any]) -> str:
    listed = list(names)
    return ", ".join(listed[:20]) + (", …" if len(listed) > 20 else "")


def _shape(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
