"""Which input is differentiated, and which outputs are the network's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jachess.errors import NetworkError
from jachess.network.graph import Array, Input, Node

_DTYPES = {
    1: "float64",
    10: "float64",
    11: "float64",
    16: "float64",
    6: "int32",
    7: "int64",
    9: "bool",
    2: "uint8",
    3: "int8",
}


def read_inputs(graph: Any, wanted: str | None) -> tuple[tuple[Input, ...], str]:
    """All inputs, and the name of the differentiated one: the first floating input, or ``wanted``.

    The first axis is that of the points, whatever size the file gives it.
    """
    initialisers = {tensor.name for tensor in graph.initializer}
    inputs = tuple(_input(value) for value in graph.input if value.name not in initialisers)
    floats = [i.name for i in inputs if i.dtype == "float64"]
    if not floats:
        raise NetworkError("the network has no floating input to differentiate with respect to.")
    if wanted is not None and wanted not in floats:
        raise NetworkError(f"input: '{wanted}' is no floating input of the network (wanted {', '.join(floats)}).")
    return inputs, wanted or floats[0]


def _input(value: Any) -> Input:
    kind = value.type.tensor_type
    if kind.elem_type not in _DTYPES:
        raise NetworkError(f"input '{value.name}': its type is not supported (wanted a tensor of numbers).")
    if not kind.HasField("shape") or not kind.shape.dim:
        raise NetworkError(f"input '{value.name}': has no axis of points (wanted (N, …)). Export it with a batch axis.")
    sizes = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in kind.shape.dim[1:]]
    if min(sizes, default=1) < 1:
        raise NetworkError(
            f"input '{value.name}': the size of a point is not fixed (got {_shape(kind)}). "
            "Export the network with only the first axis dynamic."
        )
    return Input(value.name, tuple(sizes), _DTYPES[kind.elem_type])


def _shape(kind: Any) -> str:
    return "(" + ", ".join(dim.dim_param or str(dim.dim_value) for dim in kind.shape.dim) + ")"


def read_outputs(graph: Any, wanted: str | None) -> list[str]:
    """The outputs: ``wanted``, or all that are floating tensors.

    scikit-learn's exporter hides the probabilities behind a ZipMap; they are what it is made of.
    """
    makers = {output: node for node in graph.node for output in node.output}
    names, listed = [], []
    for value in graph.output:
        maker = makers.get(value.name)
        listed.append(value.name)
        if maker is not None and maker.op_type == "ZipMap":
            names.append((value.name, maker.input[0]))
        elif value.type.tensor_type.elem_type in (1, 10, 11, 16):
            names.append((value.name, value.name))
    if wanted is not None:
        names = [(outer, inner) for outer, inner in names if outer == wanted]
    if not names:
        raise NetworkError(f"output: no such floating output (wanted one of {', '.join(listed)}; got {wanted}).")
    return [inner for _, inner in names]


def join_outputs(nodes: Sequence[Node], outputs: Sequence[str]) -> tuple[tuple[Node, ...], str]:
    """Several outputs as one: each flattened, one behind the other."""
    if len(outputs) == 1:
        return tuple(nodes), outputs[0]
    flat = [Node("Flatten", (name,), (f"{name}/flat",), {"axis": 1}, f"flatten {name}") for name in outputs]
    joined = Node("Concat", tuple(node.outputs[0] for node in flat), ("outputs",), {"axis": 1}, "join outputs")
    return (*nodes, *flat, joined), "outputs"


def drop_stacking(
    nodes: Sequence[Node], output: str, constants: dict[str, Array], columns: int | None
) -> tuple[tuple[Node, ...], str, bool]:
    """Leave out a last Reshape to (N·K, 1), with which an exporter hides the K outputs of a regressor.

    ``columns`` is K, the width of what the Reshape is applied to; None if that is no matrix with a row a point.
    """
    last = next((node for node in nodes if output in node.outputs), None)
    if last is None or last.operation != "Reshape" or columns is None or columns < 2:
        return tuple(nodes), output, False
    target = constants.get(last.inputs[1])
    if target is None or target.ravel().tolist() != [-1, 1]:
        return tuple(nodes), output, False
    return tuple(node for node in nodes if node is not last), last.inputs[0], True
