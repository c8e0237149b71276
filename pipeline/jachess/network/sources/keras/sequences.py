"""Recurrent layers of Keras: SimpleRNN, GRU and LSTM, with gates in the order that ONNX has."""

from __future__ import annotations

from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.sources.activations import ACTIVATIONS
from jachess.network.sources.keras.layers import with_bias
from jachess.network.sources.keras.record import LayerKind, Use

_FUNCTIONS = {operation: operation for operation in ("Tanh", "Sigmoid", "Relu", "Softplus", "Softsign")}
_VARIABLES = with_bias("kernel", "recurrent_kernel")


def _function(use: Use, key: str) -> str:
    name = use.activation(key)
    found = _FUNCTIONS.get(ACTIVATIONS.get(name, ("", {}))[0])
    if found is None:
        raise NetworkError(f"'{key}' is not supported in a recurrence (got {name[:40]!r})")
    return found


def _recurrence(keras: str, operation: str, order: tuple[int, ...]) -> LayerKind:
    """The record; ``order`` says which of Keras' gates is each of ONNX'."""

    def write(use: Use) -> str:
        use.only("return_state", False)
        use.only("stateful", False)
        n_gates, backwards = len(order), use.config.get("go_backwards") is True
        sequences = use.config.get("return_sequences") is True
        if backwards and sequences:
            raise NetworkError("'go_backwards' with 'return_sequences' is not supported")
        units = use.draft.tensors[use.weight("recurrent_kernel")].shape[0]
        kernels = [_gates(use, use.weight(name), order) for name in ("kernel", "recurrent_kernel")]
        inner, gate = _function(use, "activation"), _function(use, "recurrent_activation") if n_gates > 1 else ""
        functions = {1: (inner,), 3: (gate, inner), 4: (gate, inner, inner)}[n_gates]
        more: dict[str, Any] = (
            {"linear_before_reset": int(use.config.get("reset_after") is True)} if n_gates == 3 else {}
        )
        made = use.draft.outputs(
            operation, use.value, *kernels, *_bias(use, order, units), n_outputs=2, hidden_size=units, layout=1,
            direction="reverse" if backwards else "forward", activations=functions, **more,
        )  # fmt: skip
        return use.apply("Squeeze", made[0], [2]) if sequences else use.apply("Squeeze", made[1], [1])

    return LayerKind(keras, write, _VARIABLES, ("cell",))


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


SEQUENCES = (
    _recurrence("SimpleRNN", "RNN", (0,)),
    _recurrence("GRU", "GRU", (0, 1, 2)),
    _recurrence("LSTM", "LSTM", (0, 3, 1, 2)),
)
"""Keras' LSTM has the gates i, f, c, o; ONNX' i, o, f, c. Both have z, r, h in a GRU."""
