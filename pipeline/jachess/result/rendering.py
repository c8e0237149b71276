"""Selections as people and programs read them: table, CSV, JSON, npy."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from jachess.network.graph import Array

FORMATS = ("table", "csv", "json", "npy")
_MOST_ROWS, _MOST_COLUMNS = 24, 8


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
