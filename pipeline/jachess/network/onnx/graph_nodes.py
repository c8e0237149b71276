"""The nodes of a model file as nodes of a network: what is not fully understood is refused."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import onnx

from jachess.errors import NetworkError
from jachess.network.graph import Node
from jachess.network.onnx.tensors import read_tensor, read_tensors
from jachess.network.onnx.text import decoded
from jachess.network.operations import COMPOSITES, TABLE
from jachess.network.operations.composites.branches import Branch

_UNDERSTOOD_ELSEWHERE = {"Dropout": ("ratio",), "CastLike": (), "Cast": ()}
_ADVICE = {
    "Loop": "Export the network without control flow.",
    "Scan": "Export the network without control flow.",
}


def needed_nodes(graph: Any, outputs: Collection[str]) -> list[Any]:
    """The nodes of the file that feed ``outputs``, in order.

    Raises
    ------
    NetworkError
        If a value is made twice, or used before it is made.
    """
    _check_names(graph, {i.name for i in graph.input} | {""}, outputs)
    wanted, chosen = set(outputs), []
    for node in reversed(graph.node):
        if not wanted.isdisjoint(name for name in node.output if name):
            chosen.append(node)
            wanted |= _used(node)
    return chosen[::-1]


def _check_names(graph: Any, given: set[str], outputs: Collection[str]) -> None:
    """Every value is made once, before it is used; so in the branches of an If, which may use any made before."""
    known = given | {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    for node in graph.node:
        missing = [name for name in node.input if name not in known]
        if missing:
            raise NetworkError(f"{describe(node)}: uses '{missing[0]}' before it is made, or it is never made.")
        for branch in _branches(node):
            _check_names(branch, known, [value.name for value in branch.output])
        for name in node.output:
            if name and name in known:
                raise NetworkError(f"{describe(node)}: makes '{name}', which exists already.")
        known.update(node.output)
    missing = [name for name in outputs if name not in known]
    if missing:
        raise NetworkError(f"output '{missing[0]}' is never made.")


def _branches(node: Any) -> list[Any]:
    return [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]


def _used(node: Any) -> set[str]:
    """Names of the values that a node or its branches read."""
    found = set(node.input)
    for branch in _branches(node):
        found |= {value.name for value in branch.output}.union(*(_used(inner) for inner in branch.node))
    return found


def read_node(proto: Any, folder: Path) -> Node:
    """One node, with its attributes as plain Python values.

    Raises
    ------
    NetworkError
        If the operation, one of its attributes, or its number of inputs is unknown.
    """
    record = TABLE.get(proto.op_type) or COMPOSITES.get(proto.op_type)
    if record is None or record.domain != ("" if proto.domain == "ai.onnx" else proto.domain):
        advice = _ADVICE.get(proto.op_type, "Export the network in terms of supported operations.")
        raise NetworkError(f"{describe(proto)}: this operation is not supported. {advice}")
    least, most = record.inputs
    if not least <= len(proto.input) <= most or not all(proto.input[:least]):
        raise NetworkError(f"{describe(proto)}: wrong inputs (wanted {least} to {most}; got {len(proto.input)}).")
    attributes = {}
    for attribute in proto.attribute:
        if attribute.name in _UNDERSTOOD_ELSEWHERE.get(proto.op_type, ()):
            continue
        if attribute.name not in record.attributes:
            raise NetworkError(f"{describe(proto)}: unknown attribute '{attribute.name}'.")
        attributes[attribute.name] = _value(proto, attribute, folder)
    if proto.op_type == "Split" and len(proto.input) < 2:
        attributes.setdefault("num_outputs", len(proto.output))
    return Node(proto.op_type, tuple(proto.input), tuple(proto.output), attributes, proto.name)


def describe(proto: Any) -> str:
    """How a node is named in messages."""
    return f"node '{proto.name or (proto.output[0] if proto.output else '?')}' ({proto.op_type})"


def _value(proto: Any, attribute: Any, folder: Path) -> Any:
    kinds = onnx.AttributeProto
    plain = {kinds.INT: "i", kinds.FLOAT: "f"}
    if attribute.type in plain:
        return getattr(attribute, plain[attribute.type])
    if attribute.type == kinds.INTS:
        return tuple(attribute.ints)
    if attribute.type == kinds.FLOATS:
        return tuple(attribute.floats)
    if attribute.type == kinds.STRING:
        return _text(proto, attribute.s)
    if attribute.type == kinds.STRINGS:
        return tuple(_text(proto, each) for each in attribute.strings)
    if attribute.type == kinds.TENSOR:
        return read_tensor(attribute.t, folder)
    if attribute.type == kinds.GRAPH:
        return _branch(attribute.g, folder)
    raise NetworkError(f"{describe(proto)}: attribute '{attribute.name}' is of a kind that is not supported.")


def _text(proto: Any, text: bytes) -> str:
    try:
        return decoded(text)
    except NetworkError as error:
        raise NetworkError(f"{describe(proto)}: an attribute {error}.") from error


def _branch(graph: Any, folder: Path) -> Branch:
    """A branch of an If; tensors of its own are constants."""
    tensors = [Node("Constant", (), (name,), {"value": array}) for name, array in read_tensors(graph, folder).items()]
    outputs = tuple(value.name for value in graph.output)
    return Branch((*tensors, *(read_node(proto, folder) for proto in graph.node)), outputs)
