"""Selections as people and programs read them: table, CSV, JSON, npy."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from jachess.checks.table import table
from jachess.network.graph import Array

FORMATS = ("table", "csv", "json", "npy")
_MOST_ROWS, _MOST_COLUMNS, _MOST_LINES = 24, 8, 100


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

    def as_json(self) -> dict[str, Any]:
        """What JSON holds of it."""
        values = self.values.astype(object)
        if self.values.dtype.kind == "f":
            values[~np.isfinite(self.values)] = None  # JSON knows no NaN
        return {
            "array": self.array,
            "dimensions": list(self.dimensions),
            "labels": dict(zip(self.dimensions, self.labels, strict=True)),
            "values": values.tolist(),
        }

    def as_csv(self) -> str:
        """One line an element: its labels, then its value."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.dimensions, self.array])
        for place in np.ndindex(self.values.shape):
            names = [labels[i] for labels, i in zip(self.labels, place, strict=True)]
            writer.writerow([*names, repr(self.values[place].item())])
        return text.getvalue()

    def as_text(self) -> str:
        """Columns along the last dimension, all others down the side; what does not fit is said."""
        values, labels = self.values, self.labels
        if values.ndim == 1:
            values, labels = values[:, None], (*labels, [self.array])
        rows = [
            " ".join(f"{d} {labels[n][i]}" for n, (d, i) in enumerate(zip(self.dimensions, place, strict=False)))
            for place in np.ndindex(values.shape[:-1])
        ]
        flat = values.reshape(-1, values.shape[-1])
        shown = flat[:_MOST_ROWS, :_MOST_COLUMNS]
        head = ["", *labels[-1][:_MOST_COLUMNS]]
        body = [[name, *(_number(x) for x in row)] for name, row in zip(rows, shown, strict=False)]
        lines = table([head, *body])
        left = flat.size - shown.size
        if left:
            lines.append(f"… {left:,} more of {flat.size:,} elements; all of them: --format csv, json or npy")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Table:
    """Lines of names and numbers.

    Attributes
    ----------
    columns : tuple of str
    rows : list of tuples
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    @property
    def values(self) -> Array:
        """The lines as a structured array, one field a column."""
        kinds = [np.asarray([row[i] for row in self.rows]).dtype for i in range(len(self.columns))]
        return np.array(self.rows, dtype=list(zip(self.columns, kinds, strict=True)))

    def as_json(self) -> dict[str, Any]:
        """What JSON holds of it."""
        return {"columns": list(self.columns), "rows": [list(row) for row in self.rows]}

    def as_csv(self) -> str:
        """One line a row."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([self.columns, *self.rows])
        return text.getvalue()

    def as_text(self) -> str:
        """For people."""
        shown = self.rows[:_MOST_LINES]
        left = len(self.rows) - len(shown)
        lines = table([list(self.columns), *([_number(each) for each in row] for row in shown)])
        if left:
            lines.append(f"… {left:,} more of {len(self.rows):,} lines; all of them: --format csv, json or npy")
        return "\n".join(lines) + "\n"


def render(answer: Selection | Table, form: str) -> bytes:
    """An answer as a table for people, CSV, JSON, or the bytes of a .npy file."""
    if form == "npy":
        buffer = io.BytesIO()
        np.save(buffer, answer.values, allow_pickle=False)
        return buffer.getvalue()
    if form == "json":
        return (json.dumps(answer.as_json()) + "\n").encode()
    return (answer.as_csv() if form == "csv" else answer.as_text()).encode()


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
