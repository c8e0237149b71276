"""Reading a network from an ONNX file, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

from jachess.errors import NetworkError, words
from jachess.network.assembly import Choice, Parts, assemble
from jachess.network.graph import Network
from jachess.network.onnx.graph_nodes import needed_nodes, read_node
from jachess.network.onnx.inputs_outputs import read_inputs, read_outputs
from jachess.network.onnx.linear_models import with_parameters, without_renormalising
from jachess.network.onnx.model_file import load_model, prepared
from jachess.network.onnx.sequences import sequences_as_slices
from jachess.network.onnx.tensors import read_tensors
from jachess.network.operations.composites.branches import used


def read_onnx(path: Path, weights: Choice, input: str | None, output: str | None) -> Network:
    """Read a network from an ONNX file; see `jachess.read_network`.

    Raises
    ------
    NetworkError
        If the file is missing, damaged, hostile, or holds something that cannot be differentiated.
    """
    model, notes = load_model(path)
    parts = _parts(model, path.parent, input, output, notes)
    _second_opinion(model, path)
    return assemble(parts, weights)


def parts_of_model(model: Any, input: str | None) -> Parts:
    """Nodes and tensors of a model in memory, which an exporter has made there.

    Raises
    ------
    NetworkError
        If the model holds something that cannot be read.
    """
    model, notes = prepared(model, Path("model"))
    return _parts(model, Path(), input, None, notes)


def _parts(model: Any, folder: Path, input: str | None, output: str | None, notes: list[str]) -> Parts:
    """Nodes and tensors; data outside the model, if it has any, lie in this folder."""
    graph = sequences_as_slices(model.graph, folder)
    outputs = read_outputs(graph, output)
    nodes = without_renormalising([read_node(proto, folder) for proto in needed_nodes(graph, outputs)])
    inputs, differentiated = read_inputs(graph, input)
    needed = {name for node in nodes for name in used(node)}
    nodes, tensors = with_parameters(nodes, read_tensors(graph, folder, {*needed, *outputs}), outputs)
    return Parts(nodes, tensors, inputs, differentiated, outputs, notes)


def _second_opinion(model: Any, path: Path) -> None:
    """ONNX's own checker, after all of ours: it knows the type rules of every operation."""
    if any(tensor.data_location == 1 for tensor in model.graph.initializer):
        return  # it would look for the data in the current folder
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise NetworkError(f"{path}: not a valid model. {words(error)}") from error
