"""Parts of a result, selected by what they are called; their largest elements; and summaries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jachess.errors import InputError
from jachess.result.jacobian import Jacobian
from jachess.result.labelled import Part
from jachess.result.largest import largest, largest_of_part
from jachess.result.open import Result
from jachess.result.rendering import Selection, Table
from jachess.result.symmetric import SymmetricMatrix


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
    part = _part(result, array, selections)
    return Selection(array, part.array.dimensions, part.labels, part.values)


def select_largest(result: Result, array: str, selections: Mapping[str, str | None], count: int) -> Table:
    """The elements of the largest magnitude in a part of an array; of a whole symmetric one, each pair once.

    Raises
    ------
    InputError
        If a selection does not fit the array.
    IncompleteError
        If a part of the array is missing.
    """
    part = _part(result, array, selections)
    whole = part.whole and isinstance(part.array, SymmetricMatrix)
    found = largest(part.array, count) if whole else largest_of_part(part, count)  # type: ignore[arg-type]
    names = [axis.names(which) for axis, which in zip(part.array.axes, found.indices.T, strict=True)]
    return Table((*part.array.dimensions, array), list(zip(*names, found.values.tolist(), strict=True)))


def summarise(result: Result, array: str) -> Table:
    """A line for each pair of weight tensors of a symmetric matrix, or for each output and input of a Jacobian.

    Raises
    ------
    InputError
        If there is no summary of such an array.
    IncompleteError
        If a part of the array is missing.
    """
    source = result[array]
    if isinstance(source, SymmetricMatrix):
        return _pairs(source)
    if isinstance(source, Jacobian):
        return _sensitivities(source)
    raise InputError(f"summary: there is none of '{array}' (wanted a Hessian or a Jacobian). Leave --summary out.")


def _part(result: Result, array: str, selections: Mapping[str, str | None]) -> Part:
    return result[array].sel(**{name: text for name, text in selections.items() if text is not None})


def _pairs(matrix: SymmetricMatrix) -> Table:
    norms, sizes = matrix.pair_norms(), {name: span.stop - span.start for name, span in matrix.tensors}
    rows: list[tuple[object, ...]] = []
    for i, first in enumerate(norms.tensors):
        for j, second in enumerate(norms.tensors[i:], start=i):
            count, frobenius = sizes[first] * sizes[second], float(norms.frobenius[i, j])
            rows.append((first, second, count, frobenius, frobenius / count**0.5, float(norms.largest[i, j])))
    return Table(("tensor_i", "tensor_j", "elements", "frobenius", "root_mean_square", "largest"), rows)


def _sensitivities(jacobian: Jacobian) -> Table:
    found = jacobian.sensitivity()
    columns = (found.mean, found.mean_magnitude, found.root_mean_square, found.largest)
    rows: list[tuple[object, ...]] = [
        (k, i, *(float(column[k, i]) for column in columns)) for k, i in np.ndindex(found.mean.shape)
    ]
    return Table(("output", "input", "mean", "mean_magnitude", "root_mean_square", "largest"), rows)
