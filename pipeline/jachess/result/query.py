"""Parts of a result, selected by what they are called."""

from __future__ import annotations

from collections.abc import Mapping

from jachess.result.open import Result
from jachess.result.rendering import Selection


def select(result: Result, array: str, selections: Mapping[str, str | None]) -> Selection:
    """Read a part of an array of a result.

    Parameters
    ----------
    array : str
        Its name.
    selections : mapping of dimension to text
        Dimensions are point, output, input, weight_i and weight_j; the texts are those of `jachess.result.axes`.

    Raises
    ------
    InputError
        If a selection does not fit the array.
    """
    source = result[array]
    part = source.sel(**{name: text for name, text in selections.items() if text is not None})
    return Selection(array, source.dimensions, part.labels, part.values)
