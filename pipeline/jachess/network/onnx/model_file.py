"""From a path to a parsed ONNX model that is safe to look at: sizes, versions, functions. No code is ever run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from jachess.errors import NetworkError, words
from jachess.network.onnx.conversion import CONVERTED_TO, converted
from jachess.network.onnx.text import check_text

LARGEST_FILE = 512 * 2**20
MOST_NODES = 20_000
DEEPEST = 50
NATIVE_OPSETS = range(13, 29)
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def load_model(path: Path) -> tuple[Any, list[str]]:
    """Parse the file and bring it to an opset that the table of operations speaks.

    Returns
    -------
    model : onnx.ModelProto
        Without external data, without functions of its own.
    notes : list of str
        What was done to it.

    Raises
    ------
    NetworkError
        If there is no such file, or it is not an ONNX model that can be read.
    """
    return prepared(_parse(path), path)


def prepared(model: Any, path: Path) -> tuple[Any, list[str]]:
    """A model that is parsed already, brought to such an opset.

    Raises
    ------
    NetworkError
        If it cannot be read.
    """
    try:
        check_text(model)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from error
    notes: list[str] = []
    _check_size(path, model)
    model = _inline_functions(path, model)
    opset = _opset(path, model)
    if opset not in NATIVE_OPSETS:
        model = _converted(path, model, opset)
        notes.append(f"converted from opset {opset} to {CONVERTED_TO}")
    return model, notes


def _parse(path: Path) -> Any:
    try:
        model = onnx.load_model_from_string(_bytes(path))
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read ({error.strerror}). Give the path of an ONNX model.") from error
    except NetworkError:
        raise
    except (DecodeError, ValueError, RuntimeError) as error:
        raise NetworkError(f"{path}: this is not an ONNX model ({words(error)}).") from error
    if not model.graph.node or not model.graph.output:
        raise NetworkError(f"{path}: the model has no operations or no outputs. Is this an ONNX model?")
    if not 3 <= model.ir_version <= onnx.IR_VERSION:
        raise NetworkError(f"{path}: unknown IR version (wanted 3 to {onnx.IR_VERSION}; got {model.ir_version}).")
    return model


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise NetworkError(f"{path}: this is a folder. Give the path of an ONNX model.")
    if not path.is_file():
        raise NetworkError(f"{path}: there is no such file. Give the path of an ONNX model.")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise NetworkError(
            f"{path}: the file is too large (wanted at most {LARGEST_FILE} bytes; got {size}). "
            "Store the weights as external data beside it."
        )
    return path.read_bytes()


def _check_size(path: Path, model: Any) -> None:
    """Refuse a small file that would expand to millions of nodes, before anything expands it."""
    functions = {(f.domain, f.name): f for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(key: tuple[str, str], active: tuple[tuple[str, str], ...]) -> int:
        if key in active:
            raise NetworkError(f"{path}: function '{key[1]}' calls itself. Such a model cannot be read.")
        if len(active) > DEEPEST:
            raise NetworkError(f"{path}: functions call each other too deeply (wanted at most {DEEPEST} levels).")
        if key not in sizes:
            sizes[key] = expanded(functions[key].node, (*active, key))
        return sizes[key]

    def expanded(nodes: Any, active: tuple[tuple[str, str], ...]) -> int:
        calls = ((node.domain, node.op_type) for node in _with_branches(nodes))
        return sum(size(call, active) if call in functions else 1 for call in calls)

    total = expanded(model.graph.node, ())
    if total > MOST_NODES:
        raise NetworkError(f"{path}: the graph is too large (wanted at most {MOST_NODES} nodes; got {total}).")


def _with_branches(nodes: Any) -> Iterator[Any]:
    """The nodes, and those in the branches of control flow; a file that can be parsed nests them at most 50 deep."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _with_branches(graph.node)


def _inline_functions(path: Path, model: Any) -> Any:
    if not model.functions:
        return model
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:  # the inliner raises whatever its C++ side throws
        raise NetworkError(f"{path}: its functions cannot be expanded ({words(error)}).") from error


def _opset(path: Path, model: Any) -> int:
    versions: dict[str, set[int]] = {}
    local = {function.domain for function in model.functions}
    for entry in model.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        versions.setdefault(domain, set()).add(entry.version)
    for domain, found in versions.items():
        if len(found) > 1:
            raise NetworkError(f"{path}: opset imports of '{domain or 'ai.onnx'}' disagree (got {sorted(found)}).")
    used = {node.domain for node in model.graph.node} - local
    foreign = sorted(domain for domain in used if domain not in DOMAINS)
    if foreign:
        raise NetworkError(
            f"{path}: operations of the domain '{foreign[0]}' are not supported (wanted plain ONNX). "
            "Export the original model, not one that a run-time has optimised."
        )
    if "" not in versions:
        raise NetworkError(f"{path}: the model does not say its opset.")
    return versions[""].pop()


def _converted(path: Path, model: Any, opset: int) -> Any:
    if opset >= NATIVE_OPSETS.stop or opset < 7:
        raise NetworkError(
            f"{path}: opset {opset} is not supported (wanted 7 to {NATIVE_OPSETS.stop - 1}). Export it again."
        )
    try:
        made = converted(model, opset)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from error
    _check_size(path, made)
    return made
