"""Files of safetensors: a header with a place for each tensor, and the bytes; they cannot hold code.

What network the tensors make is JSON under the key ``jachess`` of the header.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jachess.errors import NetworkError, words
from jachess.network.graph import Array
from jachess.network.sources.extra import needs
from jachess.network.sources.tensors import LARGEST_TOGETHER
from jachess.network.sources.written import checked_name

KEY = "jachess"
_SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "I32": 4, "I64": 8, "F16": 2, "F32": 4, "F64": 8}


def contents(path: Path) -> tuple[Mapping[str, str], dict[str, Array]]:
    """Metadata and tensors, every size checked before anything is read; the file is mapped, not loaded."""
    safetensors = needs("safetensors", "safetensors", str(path))
    if not path.is_file():
        raise NetworkError(f"{path}: there is no such file. Give the path of a network.")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names, total = [checked_name(name) for name in file.keys()], 0  # noqa: SIM118
            for name in names:
                part = file.get_slice(name)
                if part.get_dtype() not in _SIZES:
                    raise NetworkError(f"tensor '{name}': type {part.get_dtype()} is not supported (wanted numbers).")
                total += math.prod(part.get_shape()) * _SIZES[part.get_dtype()]
            if total > LARGEST_TOGETHER:
                raise NetworkError(f"the tensors are too large (wanted at most {LARGEST_TOGETHER} bytes together).")
            return dict(file.metadata() or {}), {name: np.asarray(file.get_tensor(name)) for name in names}
    except (OSError, safetensors.SafetensorError, ValueError, KeyError) as error:
        if isinstance(error, NetworkError):
            raise
        raise NetworkError(f"{path}: this is no file of safetensors ({words(error)}).") from error


def write_safetensors(path: Path, tensors: Mapping[str, Array], graph: Mapping[str, Any]) -> None:
    """Write tensors, and what network they make.

    Raises
    ------
    NetworkError
        If that cannot be done.
    """
    library = needs("safetensors.numpy", "safetensors", str(path))
    if "__metadata__" in tensors:
        raise NetworkError(f"{path}: safetensors cannot hold a tensor of the name '__metadata__'.")
    plain = {name: np.array(array, order="C") for name, array in tensors.items()}
    try:
        library.save_file(plain, path, {KEY: json.dumps(graph)})
    except (OSError, needs("safetensors", "safetensors", str(path)).SafetensorError) as error:
        raise NetworkError(f"{path}: cannot be written ({words(error)}).") from error
