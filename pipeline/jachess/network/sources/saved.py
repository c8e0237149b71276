"""The form in which jachess keeps a network: tensors as safetensors, and the graph as JSON in the header of that file.

The one form that says without doubt which tensors are weights, in which order, and which are tied.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.assembly import Choice, Parts, assemble
from jachess.network.assembly.choice import choose_input, choose_outputs
from jachess.network.graph import Array, Input, Network, Node
from jachess.network.operations import TABLE
from jachess.network.operations.axes import bounded
from jachess.network.operations.composites.composite import MOST_NODES
from jachess.network.sources.safetensors_file import write_safetensors
from jachess.network.sources.tensors import as_tensor, as_tensors
from jachess.network.sources.written import checked_name, entry, listed, member
from jachess.network.weight_vector import unpack

VERSION = 1
_DTYPES = ("float64", "int32", "int64", "bool", "uint8", "int8")


def save_network(network: Network, path: str | Path) -> None:
    """Write a network to a file that `jachess.read_network` reads back: the same graph, and every weight bit by bit.

    Parameters
    ----------
    network : Network
        From `jachess.read_network`, `jachess.from_torch` or any other way in.
    path : path
        Of a file that ends in .safetensors; what is there is replaced.

    Returns
    -------
    None
        The file is plain safetensors, for any reader of those; the graph is in its header.

    Raises
    ------
    NetworkError
        If the file cannot be written, or the package safetensors is not installed.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise NetworkError(f"{path}: a network is saved as safetensors. Choose a name that ends in .safetensors.")
    graph = {
        "version": VERSION,
        "inputs": [{"name": i.name, "shape": i.shape, "dtype": i.dtype} for i in network.inputs],
        "input": network.input,
        "output": network.output,
        "weights": [weight.name for weight in network.weights],
        "nodes": [_written(node) for node in network.nodes],
    }
    write_safetensors(path, {**unpack(network, network.w), **network.constants}, graph)


def _written(node: Node) -> dict[str, Any]:
    attributes = {key: _value_written(value) for key, value in node.attributes.items()}
    return {
        "operation": node.operation,
        "inputs": node.inputs,
        "outputs": node.outputs,
        **({"attributes": attributes} if attributes else {}),
        **({"name": node.name} if node.name else {}),
    }


def _value_written(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.name, "shape": value.shape, "values": value.ravel().tolist()}
    return value.item() if isinstance(value, np.generic) else value


def read_saved(
    graph: Mapping[str, Any], tensors: Mapping[str, Any], weights: Choice, input: str | None, output: str | None
) -> Network:
    """The network of a graph that `save_network` wrote.

    Raises
    ------
    NetworkError
        If it was not written by it.
    """
    if graph.get("version") != VERSION:
        raise NetworkError(f"unknown version of a saved network (wanted {VERSION}; got {graph.get('version')!r:.20}).")
    own = [checked_name(name) for name in listed(graph, "weights")]
    if len(set(own)) != len(own) or not set(own) <= set(tensors):
        raise NetworkError("'weights': names are missing among the tensors, or are there twice.")
    ordered = as_tensors({name: tensors[name] for name in [*own, *(n for n in tensors if n not in own)]})
    inputs = [_input(each) for each in listed(graph, "inputs")]
    nodes = [_node(each) for each in listed(graph, "nodes")]
    if len(nodes) > MOST_NODES:
        raise NetworkError(f"the graph is too large (wanted at most {MOST_NODES} nodes; got {len(nodes)}).")
    saved = checked_name(member(graph, "output", str))
    _check_names(nodes, {*ordered, *(i.name for i in inputs)}, saved)
    return assemble(
        Parts(
            nodes,
            ordered,
            inputs,
            choose_input(inputs, input or checked_name(member(graph, "input", str))),
            choose_outputs([saved], output),
            weights=own,
        ),
        weights,
    )


def _input(given: Any) -> Input:
    given = entry(given, "inputs")
    shape, dtype = listed(given, "shape"), member(given, "dtype", str)
    if not all(type(size) is int and size > 0 for size in shape) or dtype not in _DTYPES:
        raise NetworkError(f"'inputs': impossible shape or type (got {str(shape)[:60]}, {dtype[:20]!r}).")
    return Input(checked_name(member(given, "name", str)), bounded(shape), dtype)


def _node(given: Any) -> Node:
    given = entry(given, "nodes")
    operation = member(given, "operation", str)
    if operation not in TABLE:
        raise NetworkError(f"operation {operation[:40]!r} is unknown.")
    inputs, outputs = ([checked_name(n, empty=True) for n in listed(given, key)] for key in ("inputs", "outputs"))
    if not outputs or not outputs[0]:
        raise NetworkError(f"a node ({operation}) has no output.")
    node = Node(operation, tuple(inputs), tuple(outputs), {}, checked_name(given.get("name", ""), empty=True))
    least, most = TABLE[operation].inputs
    if not least <= len(inputs) <= most or not all(inputs[:least]):
        raise NetworkError(f"{node}: wrong inputs (wanted {least} to {most}; got {len(inputs)}).")
    attributes = entry(given.get("attributes", {}), "attributes")
    for key, value in attributes.items():
        if key not in TABLE[operation].attributes:
            raise NetworkError(f"{node}: unknown attribute {key[:40]!r}.")
        attributes[key] = _value(node, key, value, TABLE[operation].attributes[key])
    return Node(node.operation, node.inputs, node.outputs, attributes, node.name)


def _value(node: Node, key: str, value: Any, default: Any) -> Any:
    """An attribute, of the kind that the operation has by default."""
    made = value
    if isinstance(value, list):
        made = tuple(value)
    elif isinstance(value, dict):
        made = _array(value)
    kinds = (
        (int, float) if isinstance(default, float) else bool | int if isinstance(default, bool | int) else type(default)
    )
    fits = isinstance(made, kinds) if default is not None else isinstance(made, int | float | str | tuple | np.ndarray)
    plain = all(isinstance(item, int | float | str) for item in (made if isinstance(made, tuple) else ()))
    if value is not None and not (fits and plain):
        raise NetworkError(f"{node}: attribute '{key}' has no such value (got {str(value)[:40]}).")
    return made


def _array(value: Mapping[str, Any]) -> Array:
    shape, dtype = listed(value, "shape"), member(value, "dtype", str)
    try:
        made = np.array(listed(value, "values"), dtype).reshape([int(size) for size in shape])
    except (ValueError, TypeError, OverflowError) as error:
        raise NetworkError("an attribute is no array of numbers.") from error
    return as_tensor("attribute", made)


def _check_names(nodes: list[Node], given: set[str], output: str) -> None:
    """Every value is made once, before it is used."""
    known = {*given, ""}
    for node in nodes:
        missing = [name for name in node.inputs if name not in known]
        if missing:
            raise NetworkError(f"{node}: uses '{missing[0]}' before it is made, or it is never made.")
        made = [name for name in node.outputs if name]
        if not known.isdisjoint(made) or len(set(made)) != len(made):
            raise NetworkError(f"{node}: makes a value that exists already.")
        known.update(made)
    if output not in known or not output:
        raise NetworkError(f"output '{output}' is never made.")
