"""Which of a file's floating initialisers are weights, and which are constants.

The file does not say. By default those that enter an operation where weights usually stand: the matrix or bias of a
Gemm, MatMul, Einsum or recurrence, the kernel or bias of a convolution, scale and shift of a normalisation (not its
running statistics), slopes of PRelu, a table that Gather reads, and an Add, if it is no mere scalar or follows a linear
operation; also behind operations that only move elements. Scalings in Mul, Div, Sub and the like are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jachess.errors import NetworkError
from jachess.network.graph import Array, Node
from jachess.network.operations import COMPOSITES, TABLE
from jachess.network.operations.composites.branches import flattened

_LINEAR = ("Gemm", "MatMul", "Einsum", "Conv", "ConvTranspose")
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
        nodes = flattened(nodes)
        used = {name for node in nodes for name in node.inputs}
        variable = set(inputs)
        for node in nodes:
            if not variable.isdisjoint(node.inputs):
                variable.update(node.outputs)
        return [name for name in floats if name in used and _is_weight(name, nodes, initialisers[name], variable)]
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    unknown = [name for name in names if name not in floats]
    if unknown:
        raise NetworkError(
            f"weights: {', '.join(map(repr, unknown))} not found among the floating tensors of the network "
            f"(wanted some of {', '.join(floats)})."
        )
    return [name for name in floats if name in names]


def _is_weight(name: str, nodes: Sequence[Node], array: Array, variable: set[str]) -> bool:
    producers = {output: node for node in nodes for output in node.outputs}
    alike = {name}
    for node in nodes:
        record = TABLE.get(node.operation) or COMPOSITES[node.operation]
        for slot, value in enumerate(node.inputs):
            if value not in alike:
                continue
            if slot in record.weights and (node.operation != "Add" or _is_bias(node, slot, producers, array, variable)):
                return True
            moved = record.moves and (slot == 0 or node.operation == "Concat") and not record.weights
            if moved and variable.isdisjoint(node.outputs):
                alike.update(node.outputs)
    return False


def _is_bias(node: Node, slot: int, producers: Mapping[str, Node], array: Array, variable: set[str]) -> bool:
    """Whether an operand of Add is a bias: the other one varies with the points (a variance plus ε does not)."""
    other = node.inputs[1 - slot]
    producer = producers.get(other)
    return other in variable and (array.size > 1 or (producer is not None and producer.operation in _LINEAR))
