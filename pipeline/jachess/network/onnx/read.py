"""Reading a network from an ONNX file, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx

from jachess.errors import NetworkError, words
from jachess.network.assembly import Parts, assemble
from jachess.network.graph import Array, Network
from jachess.network.onnx.graph_nodes import needed_nodes, read_node
from jachess.network.onnx.inputs_outputs import read_inputs, read_outputs
from jachess.network.onnx.model_file import load_model
from jachess.network.onnx.sequences import sequences_as_slices
from jachess.network.onnx.tensors import read_tensors
from jachess.network.operations.composites.branches import used


def read_network(
    path: str | Path,
    *,
    weights: str | Sequence[str] | Callable[[str, Array], bool] = "auto",
    input: str | None = None,
    output: str | None = None,
) -> Network:
    """Read a trained feed-forward network from an ONNX file (opset 7 to 28).

    No code from the file is run, and no file outside its folder is read.

    Parameters
    ----------
    path : path
        The ONNX file.
    weights : "auto", list of str, or predicate(name, array)
        Which floating tensors of the file are weights; by default those that enter where weights usually stand.
    input : str, optional
        The input to differentiate with respect to; the first floating one by default.
    output : str, optional
        The output to differentiate; by default all floating ones, flattened and joined.

    Returns
    -------
    Network
        Its weights lie in the order of the file's tensors, each flattened as it is stored. Constants of type float32
        are widened exactly to float64.

    Raises
    ------
    NetworkError
        If the file is missing, damaged, hostile, or holds something that cannot be differentiated.
    """
    path = Path(path)
    model, notes = load_model(path)
    try:
        return _read(model, path, weights, input, output, notes)
    except NetworkError as error:
        message = str(error)
        raise NetworkError(message if message.startswith(str(path)) else f"{path}: {message}") from error


def _read(
    model: Any, path: Path, wanted: Any, input_name: str | None, output_name: str | None, notes: list[str]
) -> Network:
    graph = sequences_as_slices(model.graph, path.parent)
    outputs = read_outputs(graph, output_name)
    nodes = [read_node(proto, path.parent) for proto in needed_nodes(graph, outputs)]
    inputs, differentiated = read_inputs(graph, input_name)
    needed = {name for node in nodes for name in used(node)}
    tensors = read_tensors(graph, path.parent, {*needed, *outputs})
    _second_opinion(model, path)
    return assemble(Parts(nodes, tensors, inputs, differentiated, outputs, notes), wanted)


def _second_opinion(model: Any, path: Path) -> None:
    """ONNX's own checker, after all of ours: it knows the type rules of every operation."""
    if any(tensor.data_location == 1 for tensor in model.graph.initializer):
        return  # it would look for the data in the current folder
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise NetworkError(f"{path}: not a valid model. {words(error)}") from error
