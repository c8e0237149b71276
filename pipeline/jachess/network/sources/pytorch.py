"""Modules of PyTorch, live in memory: exported by PyTorch itself, with the parameters under their own names."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from jachess.errors import NetworkError, located, words
from jachess.network.assembly import Choice, Parts, assemble
from jachess.network.graph import Network
from jachess.network.onnx import parts_of_model
from jachess.network.sources.extra import needs


def from_torch(module: Any, example: Any, *, weights: Choice = "auto", input: str | None = None) -> Network:
    """The network that a PyTorch module computes in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        Of any kind that `torch.onnx.export` can trace; it is left as it is.
    example : tensor or array (N, …), or a tuple of them
        Some points, for the shapes of the inputs; of a floating type, they are taken in that of the parameters.
    weights : "auto", list of str, or predicate(name, array)
        Which tensors are weights; by default all parameters.
    input : str, optional
        The input to differentiate with respect to; the first floating one by default.

    Returns
    -------
    Network
        Its weights lie in the order of ``module.named_parameters()``, with those names, each as PyTorch keeps it. A
        parameter that is used twice, or has two names, is one weight; buffers are constants.

    Raises
    ------
    NetworkError
        If torch or onnxscript is not installed, PyTorch cannot export the module, or it holds something that cannot be
        differentiated.
    """
    where = f"from_torch({type(module).__name__})"
    torch = needs("torch", "torch", where)
    needs("onnxscript", "torch", where)
    if not isinstance(module, torch.nn.Module):
        raise NetworkError(f"{where}: wanted a torch.nn.Module.")
    names = {id(p): name for name, p in module.named_parameters()}
    aliases = {name: names[id(p)] for name, p in module.named_parameters(remove_duplicate=False)}
    points = _points(torch, module, example if isinstance(example, tuple | list) else (example,), where)
    with located(where):
        return network_of_export(_exported(torch, module, points, where), aliases, weights, input)


def network_of_export(
    model: Any, aliases: Mapping[str, str], weights: Choice = "auto", input: str | None = None
) -> Network:
    """The network of an exported model.

    Parameters
    ----------
    model : onnx.ModelProto
    aliases : mapping
        Every name of every parameter, and the first name of that parameter.

    Raises
    ------
    NetworkError
        As `from_torch` does.
    """
    return assemble(_with_own_names(parts_of_model(model, input), aliases), weights)


def _points(torch: Any, module: Any, example: Any, where: str) -> tuple[Any, ...]:
    """The example as tensors that go with the parameters, of two points at least: one would be taken for fixed."""
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))
    made = []
    for given in example:
        try:
            tensor = torch.as_tensor(given)
        except (TypeError, ValueError, RuntimeError) as error:
            raise NetworkError(f"{where}: the example is no tensor ({type(given).__name__}).") from error
        if not tensor.ndim or not len(tensor):
            raise NetworkError(f"{where}: wanted an example of some points (got shape {tuple(tensor.shape)}).")
        tensor = tensor.detach().to(like.device, like.dtype if tensor.is_floating_point() else tensor.dtype)
        made.append(torch.cat([tensor, tensor]) if len(tensor) == 1 else tensor)
    return tuple(made)


def _exported(torch: Any, module: Any, points: tuple[Any, ...], where: str) -> Any:
    """The ONNX model, without optimisation: that would fold parameters into others, and untie tied ones."""
    shapes = tuple({0: torch.export.Dim("batch")} for _ in points)
    with _evaluated(module), _quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(
                module, points, dynamo=True, dynamic_shapes=shapes, optimize=False, verbose=False
            )
        except Exception as error:  # tracing raises whatever the module's own code does
            raise NetworkError(f"{where}: PyTorch cannot export it ({words(error)[:300]}).") from error
        return program.model_proto


@contextmanager
def _evaluated(module: Any) -> Iterator[None]:
    """Evaluation mode; afterwards every part is in its own mode again."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of packages that nobody needs here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _with_own_names(parts: Parts, aliases: Mapping[str, str]) -> Parts:
    """Tensors under the first of their names, parameters first, in PyTorch's order: these are the weights."""
    tensors = {aliases.get(name, name): array for name, array in parts.tensors.items()}
    own = [name for name in dict.fromkeys(aliases.values()) if name in tensors]
    nodes = [replace(node, inputs=tuple(aliases.get(name, name) for name in node.inputs)) for node in parts.nodes]
    unused = sorted(set(aliases.values()) - set(tensors))
    notes = [f"no weights, because the outputs do not depend on them: {', '.join(unused)}"] if unused else []
    tensors = {name: tensors[name] for name in [*own, *tensors]}
    return replace(parts, nodes=nodes, tensors=tensors, notes=[*parts.notes, *notes], weights=own)
