"""Recurrent layers of Keras: SimpleRNN, GRU and LSTM, one way or two, with gates in the order that ONNX has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.sources.activations import ACTIVATIONS
from jachess.network.sources.keras.layers import with_bias
from jachess.network.sources.keras.record import LayerKind, Use, variables
from jachess.network.sources.written import checked_name, entry, member

_FUNCTIONS = {operation: operation for operation in ("Tanh", "Sigmoid", "Relu", "Softplus", "Softsign")}
_VARIABLES = with_bias("kernel", "recurrent_kernel")


def _function(use: Use, key: str) -> str:
    name = use.activation(key)
    found = _FUNCTIONS.get(ACTIVATIONS.get(name, ("", {}))[0])
    if found is None:
        raise NetworkError(f"'{key}' is not supported in a recurrence (got {name[:40]!r})")
    return found


def _recurrence(use: Use, operation: str, order: tuple[int, ...], two_ways: bool = False) -> str:
    """Its outputs; ``order`` says which of Keras' gates is each of ONNX'. As one of ``two_ways``, steps keep order."""
    use.only("return_state", False)
    use.only("stateful", False)
    n_gates, backwards = len(order), use.config.get("go_backwards") is True
    sequences = use.config.get("return_sequences") is True
    if backwards and sequences and not two_ways:
        raise NetworkError("'go_backwards' with 'return_sequences' is not supported")
    units = use.draft.tensors[use.weight("recurrent_kernel")].shape[0]
    kernels = [_gates(use, use.weight(name), order) for name in ("kernel", "recurrent_kernel")]
    inner, gate = _function(use, "activation"), _function(use, "recurrent_activation") if n_gates > 1 else ""
    functions = {1: (inner,), 3: (gate, inner), 4: (gate, inner, inner)}[n_gates]
    more: dict[str, Any] = {"linear_before_reset": int(use.config.get("reset_after") is True)} if n_gates == 3 else {}
    made = use.draft.outputs(
        operation, use.value, *kernels, *_bias(use, order, units), n_outputs=2, hidden_size=units, layout=1,
        direction="reverse" if backwards else "forward", activations=functions, **more,
    )  # fmt: skip
    return use.apply("Squeeze", made[0], [2]) if sequences else use.apply("Squeeze", made[1], [1])


def _gates(use: Use, kernel: str, order: tuple[int, ...]) -> str:
    """A kernel (in, gates · units) as ONNX has it, (1, gates · units, in)."""
    return use.apply("Unsqueeze", _reordered(use, use.apply("Transpose", kernel, perm=(1, 0)), order), [0])


def _reordered(use: Use, rows: str, order: tuple[int, ...]) -> str:
    if order == tuple(range(len(order))):
        return rows
    parts = use.draft.outputs("Split", rows, n_outputs=len(order), axis=0, num_outputs=len(order))
    return use.apply("Concat", *(parts[gate] for gate in order), axis=0)


def _bias(use: Use, order: tuple[int, ...], units: int) -> list[str]:
    """Biases of input and state, one behind the other (1, 2 · gates · units); those of the state may be zeros."""
    if not use.has("bias"):
        return []
    bias, n = use.weight("bias"), len(order) * units
    if use.config.get("reset_after") is True and len(order) == 3:  # two rows, in the same order of gates
        return [use.apply("Reshape", bias, [1, 2 * n])]
    zeros = use.draft.constant(np.zeros(n))
    return [use.apply("Unsqueeze", use.apply("Concat", _reordered(use, bias, order), zeros, axis=0), [0])]


_CELLS = {"SimpleRNN": ("RNN", (0,)), "GRU": ("GRU", (0, 1, 2)), "LSTM": ("LSTM", (0, 3, 1, 2))}
"""ONNX' operation, and its gates: Keras' LSTM has i, f, c, o, ONNX' i, o, f, c; both have z, r, h in a GRU."""
_MERGES = {"concat": "Concat", "sum": "Add", "mul": "Mul", "ave": "Mean"}


def _parts(config: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, class and settings of the layers forwards and backwards."""
    found = []
    for key in ("layer", "backward_layer"):
        given = entry(config.get(key), key)
        kind, settings = member(given, "class_name", str), entry(given.get("config"), "config")
        if kind not in _CELLS:
            raise NetworkError(f"a layer of two ways cannot be of the class '{kind[:40]}'")
        found.append((checked_name(settings.get("name")), kind, settings))
    if found[0][0] == found[1][0]:
        raise NetworkError("two layers have the same name")
    return found


def _both_variables(config: Mapping[str, Any]) -> dict[tuple[str, ...], list[str]]:
    places = (("forward_layer", "cell"), ("backward_layer", "cell"))
    return {
        place: [f"{name}/{variable}" for variable in _VARIABLES(settings)]
        for place, (name, _, settings) in zip(places, _parts(config), strict=True)
    }


def _two_ways(use: Use) -> str:
    how = use.config.get("merge_mode", "concat")
    if not isinstance(how, str) or how not in _MERGES:
        raise NetworkError(f"'merge_mode' is not supported (wanted {', '.join(_MERGES)}; got {str(how)[:40]})")
    parts = [
        _recurrence(use.part(settings, name), *_CELLS[kind], two_ways=True)
        for name, kind, settings in _parts(use.config)
    ]
    return use.apply(_MERGES[how], *parts, **({"axis": -1} if how == "concat" else {}))


def _one_way(keras: str) -> LayerKind:
    return LayerKind(keras, lambda use: _recurrence(use, *_CELLS[keras]), variables(_VARIABLES, "cell"))


SEQUENCES = (*map(_one_way, _CELLS), LayerKind("Bidirectional", _two_ways, _both_variables))
