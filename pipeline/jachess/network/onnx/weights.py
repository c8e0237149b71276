"""Which of a file's floating initialisers are weights, and which are constants.

The file does not say. By default those that enter an operation where weights usually stand: the matrix or bias of a
Gemm or MatMul, slopes of PRelu, a table that Gather reads, and an Add, if it is no mere scalar or follows a linear
operation; also behind operations that only move elements. Scalings in Mul, Div, Sub and the like are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jachess.errors import NetworkError
from jachess.network.graph import Array, Node
from jachess.network.operations import TABLE

Choice = "str | Sequence[str] | Callable[[str, Array], bool]"


def choose_weights(
    nodes: Sequence[Node],
    initialisers: Mapping[str, Array],
    wanted: str | Sequence[str] | Callable[[str, Array], bool],
) -> list[str]:
    """Names of the weights, in the order of the file's initialisers.

    Parameters
    ----------
    wanted : "auto", list of names, or predicate(name, array)

    Raises
    ------
    NetworkError
        If a name is not that of a floating initialiser.
    """
    floats = [name for name, array in initialisers.items() if array.dtype.kind == "f"]
    if callable(wanted):
        return [name for name in floats if wanted(name, initialisers[name])]
    if wanted == "auto":
        used = {name for node in nodes for name in node.inputs}
        return [name for name in floats if name in used and _is_weight(name, nodes, initialisers[name])]
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    unknown = [name for name in names if name not in floats]
    if unknown:
        raise NetworkError(
            f"weights: {', '.join(map(repr, unknown))} not found among the floating tensors of the network "
            f"(wanted some of {', '.join(floats)})."
        )
    return [name for name in floats if name in names]


def _is_weight(name: str, nodes: Sequence[Node], array: Array) -> bool:
    producers = {output: node for node in nodes for output in node.outputs}
    alike = {name}
    for node in nodes:
        record = TABLE[node.operation]
        for slot, value in enumerate(node.inputs):
            if value not in alike:
                continue
            if record.moves and slot == 0 and len([i for i in node.inputs if i]) <= 2 and not record.weights:
                alike.update(node.outputs)
            elif slot in record.weights and (node.operation != "Add" or _is_bias(node, slot, producers, array)):
                return True
    return False


def _is_bias(node: Node, slot: int, producers: Mapping[str, Node], array: Array) -> bool:
    other = producers.get(node.inputs[1 - slot])
    return array.size > 1 or (other is not None and other.operation in ("Gemm", "MatMul"))
