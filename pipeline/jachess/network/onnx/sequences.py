"""Sequences of tensors, which some exporters write for a plain split (torch.chunk, GLU), as slices of the tensor.

A SplitToSequence whose parts are taken by SequenceAt at constant positions is a Slice for each part; nothing else that
ONNX does with sequences has a derivative here, and the reader refuses it by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.onnx.graph_nodes import describe
from jachess.network.onnx.tensors import read_tensor

_INPUTS = {"SplitToSequence": (1, 2), "SequenceAt": (2, 2)}
"""How many inputs these have."""


def sequences_as_slices(graph: Any, folder: Path) -> Any:
    """The graph with every part of a split sequence taken by a Slice.

    Raises
    ------
    NetworkError
        If a position or a size is computed from the points.
    """
    for node in graph.node:
        least, most = _INPUTS.get(node.op_type, (0, len(node.input)))
        if not least <= len(node.input) <= most or (node.op_type in _INPUTS and not node.output):
            raise NetworkError(f"{describe(node)}: wrong inputs (wanted {least} to {most}; got {len(node.input)}).")
    splits = {node.output[0]: node for node in graph.node if node.op_type == "SplitToSequence"}
    if not splits:
        return graph
    constants = _integer_constants(graph, folder)
    made = onnx.GraphProto()
    made.CopyFrom(graph)
    del made.node[:]
    for node in graph.node:
        if node.op_type == "SequenceAt" and node.input[0] in splits:
            made.node.extend(_part(node, splits[node.input[0]], constants))
        elif node.op_type != "SplitToSequence":
            made.node.append(node)
    return made


def _part(node: Any, split: Any, constants: Mapping[str, Array]) -> list[Any]:
    """Slice (and Squeeze) for one SequenceAt."""
    attributes = {a.name: a.i for a in split.attribute if a.type == onnx.AttributeProto.INT}
    sizes = _constant(split, 1, constants) if len(split.input) > 1 else np.array(1)
    position, axis = _single(node, constants), attributes.get("axis", 0)
    if position < 0 or (sizes.ndim and position >= sizes.size):
        raise NetworkError(f"{describe(node)}: no such part (wanted a position from the first; got {position}).")
    start = int(sizes[:position].sum()) if sizes.ndim else position * int(sizes)
    end = start + int(sizes[position] if sizes.ndim else sizes)
    result = node.output[0]
    squeezed = len(split.input) < 2 and not attributes.get("keepdims", 1)
    numbers = {f"{result}/{what}": value for what, value in (("start", start), ("end", end), ("axis", axis))}
    nodes = [helper.make_node("Constant", [], [name], value_ints=[value]) for name, value in numbers.items()]
    part = f"{result}/part" if squeezed else result
    nodes.append(helper.make_node("Slice", [split.input[0], *numbers], [part], name=node.name))
    if squeezed:
        nodes.append(helper.make_node("Squeeze", [part, f"{result}/axis"], [result], name=node.name))
    return nodes


def _single(node: Any, constants: Mapping[str, Array]) -> int:
    found = _constant(node, 1, constants)
    if found.size != 1:
        raise NetworkError(f"{describe(node)}: its position is not one number (got shape {found.shape}).")
    return int(found.reshape(()))


def _constant(node: Any, slot: int, constants: Mapping[str, Array]) -> Array:
    if node.input[slot] not in constants:
        raise NetworkError(
            f"{describe(node)}: its input '{node.input[slot]}' is not constant. Export it as a plain split."
        )
    return constants[node.input[slot]]


def _integer_constants(graph: Any, folder: Path) -> dict[str, Array]:
    found = {t.name: read_tensor(t, folder) for t in graph.initializer if t.data_type == 7 and len(t.dims) < 2}
    kinds = onnx.AttributeProto
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" and node.output else ():
            kind = (attribute.name, attribute.type)
            if kind == ("value", kinds.TENSOR) and attribute.t.data_type == 7:
                found[node.output[0]] = read_tensor(attribute.t, folder)
            elif kind == ("value_int", kinds.INT):
                found[node.output[0]] = np.array(attribute.i)
            elif kind == ("value_ints", kinds.INTS):
                found[node.output[0]] = np.array(attribute.ints, np.int64)
    return found
