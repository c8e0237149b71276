"""Tensors of a safetensors file with a description of the network that they make: a whole graph, or a list of layers.

It is JSON in the header of the file, or in a file beside it.
"""

from __future__ import annotations

from pathlib import Path

from jachess.errors import NetworkError
from jachess.network.assembly import Choice
from jachess.network.graph import Network
from jachess.network.sources.layers import read_layers
from jachess.network.sources.safetensors_file import KEY, contents
from jachess.network.sources.saved import read_saved
from jachess.network.sources.written import LONGEST, parsed


def read_safetensors(path: Path, weights: Choice, input: str | None, output: str | None) -> Network:
    """Read a network from a file of safetensors.

    Raises
    ------
    NetworkError
        If the file is missing, damaged or hostile, or nobody says what the network is.
    """
    about, tensors = contents(path)
    beside = path.with_suffix(".json")
    if KEY in about:
        graph = parsed(about[KEY], KEY)
    elif beside.is_file():
        graph = parsed(_text(beside), beside.name)
    else:
        raise NetworkError(
            f"{path}: holds tensors, but nothing says what network they make. Put a list of layers into {beside.name}, "
            f"or under '{KEY}' of its metadata."
        )
    read = read_layers if "layers" in graph else read_saved
    return read(graph, tensors, weights, input, output)


def _text(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LONGEST + 1)
