"""The outputs of a graph as the one output of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jachess.network.assembly.probe import probe
from jachess.network.graph import Array, Input, Node


def join_outputs(nodes: Sequence[Node], outputs: Sequence[str]) -> tuple[list[Node], str]:
    """Several outputs as one: each flattened, one behind the other."""
    if len(outputs) == 1:
        return list(nodes), outputs[0]
    flat = [Node("Flatten", (name,), (f"{name}/flat",), {"axis": 1}, f"flatten {name}") for name in outputs]
    joined = Node("Concat", tuple(node.outputs[0] for node in flat), ("outputs",), {"axis": 1}, "join outputs")
    return [*nodes, *flat, joined], "outputs"


def without_stacking(
    nodes: Sequence[Node],
    output: str,
    constants: Mapping[str, Array],
    leaves: Mapping[str, Array],
    inputs: Sequence[Input],
) -> tuple[list[Node], str, list[str]]:
    """Leave out a last Reshape to (N·K, 1), with which an exporter hides the K outputs of a regressor.

    Returns
    -------
    nodes, output, notes
    """
    last = next((node for node in nodes if output in node.outputs), None)
    target = constants.get(last.inputs[1]) if last is not None and last.operation == "Reshape" else None
    if last is None or target is None or target.ravel().tolist() != [-1, 1]:
        return list(nodes), output, []
    (n, *width), (m, *other) = (np.shape(values[last.inputs[0]]) for values in probe(nodes, leaves, inputs))
    if (n, m) != (2, 3) or width != other or len(width) != 1 or width[0] < 2:
        return list(nodes), output, []
    rest = [node for node in nodes if node is not last]
    return rest, last.inputs[0], [f"its last Reshape to (N·{width[0]}, 1) is left out"]
