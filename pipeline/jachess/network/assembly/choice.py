"""Which input is differentiated, and which outputs are the network's, of those that a source has."""

from __future__ import annotations

from collections.abc import Sequence

from jachess.errors import NetworkError
from jachess.network.graph import Input


def choose_input(inputs: Sequence[Input], wanted: str | None) -> str:
    """Name of the differentiated input: the first floating one, or ``wanted``; of whole numbers if all inputs are.

    Raises
    ------
    NetworkError
        If there is none, or not that one.
    """
    floats = [i.name for i in inputs if i.is_floating] or [i.name for i in inputs]
    if not floats:
        raise NetworkError("the network has no input.")
    if wanted is not None and wanted not in floats:
        raise NetworkError(f"input: '{wanted}' is no floating input of the network (wanted {', '.join(floats)}).")
    return wanted or floats[0]


def choose_outputs(outputs: Sequence[str], wanted: str | None) -> list[str]:
    """All outputs, or the one that is ``wanted``.

    Raises
    ------
    NetworkError
        If that is none of them.
    """
    if wanted is not None and wanted not in outputs:
        raise NetworkError(f"output: no such floating output (wanted one of {', '.join(outputs)}; got {wanted}).")
    return list(outputs) if wanted is None else [wanted]
