"""Which input is differentiated, and which outputs are the network's."""

from __future__ import annotations

from typing import Any

from jachess.errors import NetworkError
from jachess.network.assembly.choice import choose_input
from jachess.network.graph import Input
from jachess.network.operations.axes import bounded

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
    return inputs, choose_input(inputs, wanted)


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
    return Input(value.name, bounded(sizes), _DTYPES[kind.elem_type])


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
        if maker is not None and maker.op_type == "ZipMap" and maker.input:
            names.append((value.name, maker.input[0]))
        elif value.type.tensor_type.elem_type in (1, 10, 11, 16):
            names.append((value.name, value.name))
    if wanted is not None:
        names = [(outer, inner) for outer, inner in names if outer == wanted]
    if not names:
        raise NetworkError(f"output: no such floating output (wanted one of {', '.join(listed)}; got {wanted}).")
    return [inner for _, inner in names]
