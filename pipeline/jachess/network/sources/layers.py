"""A network as a short list of layers, over parameters in a flat mapping: for JAX, Flax, and any other library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jachess.errors import NetworkError
from jachess.network.assembly import Choice
from jachess.network.graph import Input, Network
from jachess.network.operations.axes import bounded
from jachess.network.sources.draft import Draft
from jachess.network.sources.layer_kinds import KERNELS, Writer, taken_apart
from jachess.network.sources.written import checked_name, listed, member


def from_layers(
    layers: Sequence[Any],
    parameters: Mapping[str, ArrayLike],
    *,
    kernels: str,
    input_shape: Sequence[int] | None = None,
) -> Network:
    """The network that a list of layers makes of parameters in a flat mapping, as JAX and Flax keep them.

    Parameters
    ----------
    layers : list
        From the input to the output. A layer is the name of an activation function, ``"tanh"``, or a list of its kind
        and the names of its parameters, options last: ``["dense", "hidden/kernel", "hidden/bias"]``,
        ``["layer_norm", "scale", "bias", {"epsilon": 1e-6}]``, ``["residual", [layers]]`` for x + f(x). A name that is
        there twice is one weight. docs/networks.md lists the kinds.
    parameters : mapping of str to array
        By names of any kind, such as the paths of ``flax.traverse_util.flatten_dict(params, sep="/")``.
    kernels : {"(in, out)", "(out, in)"}
        How kernels of dense layers lie: JAX, Flax and Keras have (in, out), PyTorch has (out, in).
    input_shape : sequence of int, optional
        Shape of one point; by default as wide as the first layer with parameters takes it.

    Returns
    -------
    Network
        Its weights lie in the order of ``parameters``, each as it is there.

    Raises
    ------
    NetworkError
        If a layer is unknown, a parameter is missing, has another shape, or is used by no layer.
    """
    return network_of_layers(layers, parameters, kernels, input_shape)


def network_of_layers(
    layers: Any,
    parameters: Mapping[str, Any],
    kernels: str,
    input_shape: Sequence[int] | None = None,
    weights: Choice = "auto",
    input: str | None = None,
    output: str | None = None,
) -> Network:
    """As `from_layers`, with a choice of weights, input and output.

    Raises
    ------
    NetworkError
        As `from_layers` does.
    """
    if kernels not in KERNELS:
        raise NetworkError(f"kernels: wanted '{KERNELS[0]}' or '{KERNELS[1]}' (got {str(kernels)[:40]!r}).")
    shape = _input_shape(layers, parameters, kernels) if input_shape is None else input_shape
    if not all(isinstance(size, int | np.integer) and size > 0 for size in shape):
        raise NetworkError(f"input_shape: wanted sizes of the axes of one point (got {str(shape)[:40]}).")
    name = next(name for name in ("x", "input", "input of the network") if name not in parameters)
    draft = Draft(parameters, [Input(name, bounded(shape))])
    value = Writer(draft, kernels, len(shape)).written(name, layers)
    unused = sorted(set(parameters) - draft.used)
    if unused:
        raise NetworkError(f"parameters: no layer uses {', '.join(map(repr, unused[:20]))}. Leave them out.")
    return draft.network([value], weights, input, output)


def read_layers(
    about: Mapping[str, Any], tensors: Mapping[str, Any], weights: Choice, input: str | None, output: str | None
) -> Network:
    """The network of a list of layers that lies with the tensors of a file, as a mapping of what `from_layers` takes.

    Raises
    ------
    NetworkError
        As `from_layers` does.
    """
    unknown = sorted(set(about) - {"layers", "kernels", "input_shape"})
    if unknown:
        raise NetworkError(f"a list of layers: unknown key '{checked_name(unknown[0])}'.")
    shape = listed(about, "input_shape") if "input_shape" in about else None
    return network_of_layers(
        listed(about, "layers"), tensors, member(about, "kernels", str), shape, weights, input, output
    )


def _input_shape(layers: Any, parameters: Mapping[str, Any], kernels: str) -> tuple[int, ...]:
    """As wide as the first layer with parameters takes points."""
    for layer in layers if isinstance(layers, list | tuple) else ():
        kind, names, _ = taken_apart(layer)
        if kind == "residual" and len(names) == 1:
            return _input_shape(names[0], parameters, kernels)
        if names and isinstance(names[0], str) and names[0] in parameters:
            shape = np.shape(parameters[names[0]])
            if shape and kind in ("dense", "layer_norm", "batch_norm", "standardise"):
                return (shape[-1 if kind == "dense" and kernels == "(out, in)" else 0],)
        if kind in ("flatten", "reshape"):
            break
    raise NetworkError("input_shape: cannot be told from the first layer. Give the shape of one point.")
