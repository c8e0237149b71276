"""Tensors from elsewhere as a network takes them: numbers, floating ones as float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array

LARGEST_TOGETHER = 2**30
"""Bytes of all tensors of one network."""


def as_tensor(name: str, value: Any) -> Array:
    """One tensor; floating numbers are widened exactly to float64.

    Raises
    ------
    NetworkError
        If it is no array of real numbers, or holds NaN.
    """
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise NetworkError(f"tensor '{name}': is no array of numbers ({type(value).__name__}).") from error
    if array.dtype.name in ("bfloat16", "float16", "float32", "float64"):  # bfloat16 is no kind of NumPy's own
        array = array.astype(np.float64)
        if np.isnan(array).any():
            raise NetworkError(f"tensor '{name}': holds NaN. Such a network has no derivatives.")
    elif array.dtype.kind not in "iub":
        raise NetworkError(f"tensor '{name}': type {array.dtype} is not supported (wanted real numbers or bool).")
    return np.asarray(array, order="C")


def as_tensors(given: Mapping[str, Any]) -> dict[str, Array]:
    """All tensors by name, in their order.

    Raises
    ------
    NetworkError
        If one is none, or they are too large together.
    """
    found, total = dict[str, Array](), 0
    for name, value in given.items():
        found[name] = as_tensor(name, value)
        total += found[name].nbytes
        if total > LARGEST_TOGETHER:
            raise NetworkError(f"the tensors are too large (wanted at most {LARGEST_TOGETHER} bytes together).")
    return found
