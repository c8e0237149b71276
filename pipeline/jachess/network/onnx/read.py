"""Reading a network from an ONNX file, step by step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from jachess.errors import NetworkError
from jachess.network.evaluation import evaluate
from jachess.network.graph import Array, Network, Node, Weight
from jachess.network.onnx.graph_nodes import needed_nodes, read_node
from jachess.network.onnx.inputs_outputs import drop_stacking, join_outputs, read_inputs, read_outputs
from jachess.network.onnx.model_file import load_model
from jachess.network.onnx.probe import check_derivatives, check_points, probe
from jachess.network.onnx.sequences import sequences_as_slices
from jachess.network.onnx.tensors import LARGEST_TENSOR, read_tensor
from jachess.network.onnx.weights import choose_weights


def read_network(
    path: str | Path,
    *,
    weights: str | Sequence[str] | Callable[[str, Array], bool] = "auto",
    input: str | None = None,
    output: str | None = None,
) -> Network:
    """Read a trained feed-forward network from an ONNX file (opset 7 to 24).

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
    protos = needed_nodes(graph, outputs)
    nodes: Sequence[Node] = [read_node(proto, path.parent) for proto in protos]
    inputs, differentiated = read_inputs(graph, input_name)
    used = {name for node in nodes for name in node.inputs}
    initialisers = _initialisers(graph, path.parent, {*used, *outputs})
    _second_opinion(model, path)
    if len(outputs) > 1:
        notes.append(f"{len(outputs)} outputs joined: {', '.join(outputs)}")
    names = choose_weights(nodes, initialisers, wanted, [i.name for i in inputs])
    constants = {name: array for name, array in initialisers.items() if name not in names}
    left = [name for name, array in constants.items() if array.dtype.kind == "f" and array.size > 1]
    if left:
        notes.append(f"read as constants, not as weights: {', '.join(left)} (name all weights to change that)")
    nodes, constants = _folded(nodes, constants)
    nodes, output, constants, note = _without_stacking(nodes, outputs, initialisers, constants, inputs)
    notes += note
    leaves = {**constants, **{name: initialisers[name] for name in names}}
    tried = probe(nodes, leaves, inputs)
    shape = check_points(tried, output)
    check_derivatives(nodes, tried[0], {differentiated, *names})
    used = {name for node in nodes for name in node.inputs} | {output}
    made, offset = [], 0
    for name in names:
        made.append(Weight(name, initialisers[name].shape, offset))
        offset += made[-1].size
    w = np.concatenate([initialisers[name].ravel() for name in names]) if names else np.zeros(0)
    w.setflags(write=False)
    return Network(
        tuple(nodes),
        {name: array for name, array in constants.items() if name in used},
        tuple(made),
        w,
        tuple(i for i in inputs if i.name in used or i.name == differentiated),
        differentiated,
        output,
        shape,
        tuple(notes),
    )


def _second_opinion(model: Any, path: Path) -> None:
    """ONNX's own checker, after all of ours: it knows the type rules of every operation."""
    if any(tensor.data_location == 1 for tensor in model.graph.initializer):
        return  # it would look for the data in the current folder
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise NetworkError(f"{path}: not a valid model. {' '.join(str(error).split())}") from error


def _initialisers(graph: Any, folder: Path, used: Collection[str]) -> dict[str, Array]:
    """The tensors that are ``used``: others may be of any type, as a classifier's names of classes are."""
    if graph.sparse_initializer:
        raise NetworkError("sparse tensors are not supported. Export the network with dense weights.")
    found: dict[str, Array] = {}
    names, total = set[str](), 0
    for tensor in graph.initializer:
        if tensor.name in names:
            raise NetworkError(f"tensor '{tensor.name}': is there twice.")
        names.add(tensor.name)
        if tensor.name not in used:
            continue
        found[tensor.name] = read_tensor(tensor, folder)
        total += found[tensor.name].nbytes
        if total > LARGEST_TENSOR:
            raise NetworkError(f"the tensors are too large (wanted at most {LARGEST_TENSOR} bytes together).")
    return found


def _folded(nodes: Sequence[Node], constants: dict[str, Array]) -> tuple[list[Node], dict[str, Array]]:
    """Evaluate now what depends on constants alone."""
    known, left = dict(constants), []
    for node in nodes:
        if all(name in known for name in node.inputs if name):
            known = evaluate([node], known)
        else:
            left.append(node)
    return left, known


def _without_stacking(
    nodes: Sequence[Node],
    outputs: list[str],
    initialisers: dict[str, Array],
    constants: dict[str, Array],
    inputs: Any,
) -> tuple[Sequence[Node], str, dict[str, Array], list[str]]:
    joined, output = join_outputs(nodes, outputs)
    last = next((node for node in joined if output in node.outputs), None)
    if last is None or last.operation != "Reshape":
        return joined, output, constants, []
    values = probe(joined, {**initialisers, **constants}, inputs)
    matrix = [np.shape(v[last.inputs[0]]) for v in values]
    columns = matrix[0][1] if [len(m) for m in matrix] == [2, 2] and [m[0] for m in matrix] == [2, 3] else None
    kept, name, dropped = drop_stacking(joined, output, constants, columns)
    return kept, name, constants, [f"its last Reshape to (N·{columns}, 1) is left out"] if dropped else []
