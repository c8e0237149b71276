"""Activation functions by the names that libraries give them, as operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jachess.errors import NetworkError
from jachess.network.sources.draft import Draft

_SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}
_HARD = {"alpha": 1 / 6, "beta": 0.5}

ACTIVATIONS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "identity": ("Identity", {}),
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "elu": ("Elu", {"alpha": 1.0}),
    "celu": ("Celu", {"alpha": 1.0}),
    "selu": ("Selu", _SELU),
    "sigmoid": ("Sigmoid", {}),
    "hard_sigmoid": ("HardSigmoid", _HARD),
    "hard_swish": ("HardSwish", {}),
    "tanh": ("Tanh", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "swish": ("Swish", {"alpha": 1.0}),
    "gelu": ("Gelu", {"approximate": "none"}),
    "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "mish": ("Mish", {}),
    "exp": ("Exp", {}),
    "sin": ("Sin", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "log_softmax": ("LogSoftmax", {"axis": -1}),
}
"""By name: the operation, and its attributes, which may be given otherwise."""
_ALSO = {"linear": "identity", "silu": "swish", "logistic": "sigmoid", "hard_silu": "hard_swish", "exponential": "exp",
         "soft_sign": "softsign"}  # fmt: skip


def activate(draft: Draft, value: str, name: str, **changes: Any) -> str:
    """The activation function of that name, applied to a value, with some attributes otherwise.

    Raises
    ------
    NetworkError
        If it is unknown, or has no such attribute.
    """
    if not isinstance(name, str) or _ALSO.get(name, name) not in ACTIVATIONS:
        raise NetworkError(f"activation {str(name)[:40]!r} is unknown (wanted one of {', '.join(ACTIVATIONS)}).")
    operation, attributes = ACTIVATIONS[_ALSO.get(name, name)]
    return value if operation == "Identity" else draft.apply(operation, value, **{**attributes, **changes})
