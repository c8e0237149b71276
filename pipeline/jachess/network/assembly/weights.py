"""Which of a file's floating initialisers are weights, and which are constants.

The file does not say. By default those that enter an operation where weights usually stand, also behind operations
that only move elements: the matrix or bias of a Gemm, MatMul, Einsum or recurrence, the kernel or bias of a
convolution, scale and shift of a normalisation (not its running statistics), also where the scale is a Mul of its own,
slopes of PRelu, a table that Gather reads, and an Add, if it is no mere scalar or follows a linear operation, and the
points were not merely scaled before. So are matrices that another is computed from, as by weight normalisation. Other
scalings in Mul, Div, Sub and the like are constants, as are masks of infinities, and the ones and zeros with which
exporters fill up an InstanceNormalization.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jachess.errors import NetworkError
from jachess.network.assembly.expansion import values_read
from jachess.network.graph import Array, Node
from jachess.network.operations import COMPOSITES, TABLE
from jachess.network.operations.composites.branches import flattened

_LINEAR = ("Gemm", "MatMul", "Einsum", "Conv", "ConvTranspose")
_SCALINGS = ("Add", "Div", "Mul", "Scaler", "Sub")
_NORMALISATIONS = ("InstanceNormalization", "LayerNormalization", "RMSNormalization")
Choice = "str | Sequence[str] | Callable[[str, Array], bool]"


def choose_weights(
    nodes: Sequence[Node],
    initialisers: Mapping[str, Array],
    wanted: str | Sequence[str] | Callable[[str, Array], bool],
    inputs: Sequence[str],
) -> list[str]:
    """Names of the weights, in the order of the file's initialisers.

    Parameters
    ----------
    wanted : "auto", list of names, or predicate(name, array)
    inputs : list of str
        The network's inputs.

    Raises
    ------
    NetworkError
        If a name is not that of a floating initialiser.
    """
    floats = [name for name, array in initialisers.items() if array.dtype.kind == "f"]
    if callable(wanted):
        return [name for name in floats if wanted(name, initialisers[name])]
    if wanted == "auto":
        graph = _Graph.of(flattened(nodes), inputs)
        return [name for name in floats if graph.takes_as_weight(name, initialisers[name])]
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    unknown = [name for name in names if name not in floats]
    if unknown:
        raise NetworkError(
            f"weights: {', '.join(map(repr, unknown))} not found among the floating tensors of the network "
            f"(wanted some of {', '.join(floats)})."
        )
    return [name for name in floats if name in names]


@dataclass(frozen=True)
class _Graph:
    """The nodes, which of them makes each value, the values that vary with the points, and those with their number."""

    nodes: Sequence[Node]
    makers: Mapping[str, Node]
    variable: set[str]
    shaped: set[str]

    @classmethod
    def of(cls, nodes: Sequence[Node], inputs: Sequence[str]) -> _Graph:
        variable, shaped = set(inputs), set(inputs)
        for node in nodes:
            if not variable.isdisjoint(values_read(node)):
                variable.update(node.outputs)
            if not shaped.isdisjoint(node.inputs):
                shaped.update(node.outputs)
        return cls(nodes, {output: node for node in nodes for output in node.outputs}, variable, shaped)

    def takes_as_weight(self, name: str, array: Array) -> bool:
        """Whether a tensor, moved or as it is, enters where weights stand, or what a matrix is computed from."""
        alike, computed = {name}, set[str]()
        for node in self.nodes:
            record = TABLE.get(node.operation) or COMPOSITES[node.operation]
            for slot, value in enumerate(node.inputs):
                if value in alike and self._is_place(node, slot, array):
                    return True
                if value in computed and node.operation in _LINEAR and slot in record.weights:
                    return True
            if self._is_constant(node):
                read = values_read(node) if node.operation == "Concat" else values_read(node)[:1]
                if record.moves and not record.weights and not alike.isdisjoint(read):
                    alike.update(node.outputs)
                elif array.ndim > 1 and not (alike | computed).isdisjoint(values_read(node)):
                    computed.update(node.outputs)
        return False

    def _is_constant(self, node: Node) -> bool:
        """Whether points enter a node neither by their values nor by their number, as states before a first step do."""
        a_row_a_point = node.operation == "Expand" and node.inputs[1] in self.shaped
        return self.variable.isdisjoint(node.outputs) and not a_row_a_point

    def _is_place(self, node: Node, slot: int, array: Array) -> bool:
        """Whether weights stand in this slot of a node."""
        record = TABLE.get(node.operation) or COMPOSITES[node.operation]
        if node.operation == "Add":
            return self._is_bias(node.inputs[1 - slot], array)
        if node.operation == "Mul":
            return array.size > 1 and self._is_normalised(node.inputs[1 - slot])
        if node.operation == "InstanceNormalization" and slot in record.weights:
            return not np.all(array == (1 if slot == 1 else 0))
        return slot in record.weights

    def _is_bias(self, other: str, array: Array) -> bool:
        """Whether what is added to ``other`` is a bias: that varies with the points (a variance plus ε does not)."""
        if other not in self.variable or self._is_scaled(other) or not np.isfinite(array).all():
            return False
        maker = self.makers.get(other)
        return array.size > 1 or (maker is not None and maker.operation in _LINEAR)

    def _is_scaled(self, value: str) -> bool:
        """Whether a value is the points, only scaled and shifted: what is added then goes on with that."""
        maker = self._maker(value)
        if maker is None or maker.operation not in _SCALINGS:
            return False
        varying = [name for name in maker.inputs if name in self.variable]
        return len(varying) == 1 and (self._maker(varying[0]) is None or self._is_scaled(varying[0]))

    def _is_normalised(self, value: str) -> bool:
        """Whether a value is made by normalisation: as such, or as a quotient by the root of a computed variance."""
        maker = self._maker(value)
        if maker is None or maker.operation in _NORMALISATIONS:
            return maker is not None
        if maker.operation == "Mul":
            factors = [self._maker(name) for name in maker.inputs]
            return any(f is not None and f.operation in ("Reciprocal", "Div") and self._by_root(f) for f in factors)
        return maker.operation == "Div" and self._by_root(maker)

    def _by_root(self, quotient: Node) -> bool:
        """Whether it divides by a square root that varies with the points."""
        root = self._maker(quotient.inputs[-1])
        return root is not None and root.operation == "Sqrt" and root.outputs[0] in self.variable

    def _maker(self, value: str) -> Node | None:
        """The node that makes a value, behind those that only move elements."""
        node = self.makers.get(value)
        while node is not None and node.operation in TABLE and TABLE[node.operation].moves:
            node = self.makers.get(node.inputs[0])
        return node
