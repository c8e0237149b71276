"""Parts of a result, selected by what they are called."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jachess.batch.plan import Plan
from jachess.batch.quantities.record import weight_name
from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.open import Result

FORMATS = ("table", "csv", "json", "npy")
_MOST_ROWS, _MOST_COLUMNS = 24, 8
_LARGEST = 1 << 27


@dataclass(frozen=True)
class Selection:
    """A part of an array with the names of its rows and columns.

    Attributes
    ----------
    array : str
    dimensions : tuple of str
    labels : tuple of lists of str
        One list for each dimension.
    values : array
    """

    array: str
    dimensions: tuple[str, ...]
    labels: tuple[list[str], ...]
    values: Array


def select(result: Result, array: str, selections: Mapping[str, str | None]) -> Selection:
    """Read a part of an array of a result.

    Parameters
    ----------
    array : str
        Its name.
    selections : mapping of dimension to text
        Dimensions are point, output, input, weight_i and weight_j. A text is a number, a range ``0:10``, a list
        ``1,5,7``, or for weights a tensor's name, alone or with numpy-like indices: ``hidden.weight[3, :]``.

    Raises
    ------
    InputError
        If a selection does not fit the array.
    """
    source = result.array(array)
    dimensions = tuple(source.metadata.dimension_names)
    given = {name: text for name, text in selections.items() if text is not None}
    strangers = [name for name in given if name not in dimensions]
    if strangers:
        raise InputError(
            f"query: '{array}' has no dimension {strangers[0]} (wanted {', '.join(dimensions)}). Leave that option out."
        )
    indices = [
        _indices(result.plan, name, length, given.get(name))
        for name, length in zip(dimensions, source.shape, strict=True)
    ]
    size = math.prod(len(i) for i in indices)
    if size > _LARGEST:
        raise InputError(
            f"query: {size:,} elements are too many for one answer (wanted at most {_LARGEST:,}). Select fewer."
        )
    values = np.asarray(source.oindex[tuple(_compact(i) for i in indices)])
    labels = tuple(
        [_label(result.plan, name, int(i)) for i in which] for name, which in zip(dimensions, indices, strict=True)
    )
    return Selection(array, dimensions, labels, values)


def _compact(indices: Array) -> Any:
    """Neighbouring indices as a slice, which is read faster."""
    if len(indices) and (np.diff(indices) == 1).all():
        return slice(int(indices[0]), int(indices[-1]) + 1)
    return indices


def _label(plan: Plan, dimension: str, index: int) -> str:
    return weight_name(plan, index) if dimension.startswith("weight") else str(index)


def _indices(plan: Plan, dimension: str, length: int, text: str | None) -> Array:
    if text is None:
        return np.arange(length)
    try:
        if dimension.startswith("weight"):
            for name, shape, offset in plan.weights:
                if text == name or (text.startswith(name + "[") and text.endswith("]")):
                    tensor = np.arange(math.prod(shape)).reshape(shape) + offset
                    return np.ravel(tensor[_subscript(text[len(name) :])])
        chosen = [np.arange(length)[_part(part)] for part in text.split(",")]
        return np.concatenate([np.atleast_1d(part) for part in chosen])
    except (IndexError, ValueError) as error:
        names = (
            f", or one of {', '.join(name for name, _, _ in plan.weights)}" if dimension.startswith("weight") else ""
        )
        raise InputError(
            f"query: no such {dimension} (wanted numbers below {length} like 3, 0:10 or 1,5{names}; got {text!r})."
        ) from error


def _subscript(text: str) -> Any:
    return tuple(_part(part.strip()) for part in text[1:-1].split(",")) if text else ...


def _part(text: str) -> Any:
    if not re.fullmatch(r"-?\d+|(-?\d+)?:(-?\d+)?", text):
        raise ValueError(text)
    if ":" not in text:
        return int(text)
    start, stop = (int(part) if part else None for part in text.split(":"))
    return slice(start, stop)


def render(selection: Selection, form: str) -> bytes:
    """The selection as a table for people, CSV, JSON, or the bytes of a .npy file."""
    if form == "npy":
        buffer = io.BytesIO()
        np.save(buffer, selection.values, allow_pickle=False)
        return buffer.getvalue()
    if form == "json":
        return (json.dumps(_as_json(selection)) + "\n").encode()
    if form == "csv":
        return _as_csv(selection).encode()
    return _as_table(selection).encode()


def _as_json(selection: Selection) -> dict[str, Any]:
    values = selection.values.astype(object)
    if selection.values.dtype.kind == "f":
        values[~np.isfinite(selection.values)] = None  # JSON knows no NaN
    return {
        "array": selection.array,
        "dimensions": list(selection.dimensions),
        "labels": dict(zip(selection.dimensions, selection.labels, strict=True)),
        "values": values.tolist(),
    }


def _as_csv(selection: Selection) -> str:
    """One line an element: its labels, then its value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*selection.dimensions, selection.array])
    for place in np.ndindex(selection.values.shape):
        names = [labels[i] for labels, i in zip(selection.labels, place, strict=True)]
        writer.writerow([*names, repr(selection.values[place].item())])
    return text.getvalue()


def _as_table(selection: Selection) -> str:
    """Columns along the last dimension, all others down the side; what does not fit is said."""
    values, labels = selection.values, selection.labels
    if values.ndim == 1:
        values, labels = values[:, None], (*labels, [selection.array])
    rows = [
        " ".join(f"{d} {labels[n][i]}" for n, (d, i) in enumerate(zip(selection.dimensions, place, strict=False)))
        for place in np.ndindex(values.shape[:-1])
    ]
    flat = values.reshape(-1, values.shape[-1])
    shown = flat[:_MOST_ROWS, :_MOST_COLUMNS]
    head = ["", *labels[-1][:_MOST_COLUMNS]]
    body = [[name, *(_number(x) for x in row)] for name, row in zip(rows, shown, strict=False)]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    lines = [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in [head, *body]
    ]
    left = flat.size - shown.size
    if left:
        lines.append(f"… {left:,} more of {flat.size:,} elements; all of them: --format csv, json or npy")
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
