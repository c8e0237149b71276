"""Rows of chunks of a (W, W) array: how strips are made of them, written from the diagonal to the right, and read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from jachess.batch.plan import Plan
from jachess.batch.quantities.record import Read, Write
from jachess.network.graph import Array

TALLEST = 4
"""Rows of chunks in a strip, at most: more would save little, and need memory for the tangents of more units."""
WRITTEN = 16
"""Chunks that are written at once: each is copied on the way."""


def cut(span: slice, edge: int) -> tuple[slice, ...]:
    """A range that begins with a chunk, chunk by chunk."""
    return tuple(slice(start, min(start + edge, span.stop)) for start in range(span.start, span.stop, edge))


@lru_cache(maxsize=16)
def chunk_rows(n_weights: int, edge: int) -> tuple[slice, ...]:
    """The rows of each row of chunks."""
    return cut(slice(0, n_weights), edge)


@lru_cache(maxsize=16)
def tall_strips(n_weights: int, edge: int) -> tuple[slice, ...]:
    """Rows of chunks, the more together the fewer columns they have: no strip has more elements than the first.

    A check costs the same for one row as for a thousand, and a task should not be the shorter the further down it is.
    """
    found, start = list[slice](), 0
    while start < n_weights:
        stop = min(start + edge * min(n_weights // (n_weights - start), TALLEST), n_weights)
        found.append(slice(start, stop))
        start = stop
    return tuple(found)


def right_of_diagonal(plan: Plan, rows: slice, strip: Array) -> Iterator[tuple[slice, slice, Array]]:
    """A strip as (rows, columns, array), each row of chunks from the diagonal to the right, some chunks at a time."""
    end = rows.start + strip.shape[1]
    for own in cut(rows, plan.strip):
        inside = slice(own.start - rows.start, own.stop - rows.start)
        for columns in cut(slice(own.start, end), WRITTEN * plan.strip):
            yield own, columns, strip[inside, columns.start - rows.start : columns.stop - rows.start]


def both_sides(plan: Plan, name: str, rows: slice, strip: Array) -> Iterator[Write]:
    """A strip as it is, and transposed below the diagonal if that is asked for."""
    for own, columns, part in right_of_diagonal(plan, rows, strip):
        yield name, (own, columns), part
        below = slice(max(columns.start, own.stop), columns.stop)
        if plan.triangle == "both" and below.start < below.stop:
            yield name, (below, own), part[:, below.start - columns.start :].T


def row_pieces(plan: Plan, read: Read, name: str, rows: slice) -> Iterator[tuple[slice, Array]]:
    """Whole rows of chunks, a column of them at a time; what is not stored is read across the diagonal."""
    for columns in chunk_rows(plan.n_weights, plan.strip):
        stored = rows.stop if plan.triangle == "both" else min(max(columns.stop, rows.start), rows.stop)
        parts = [read(name, (slice(rows.start, stored), columns))] if rows.start < stored else []
        parts += [read(name, (columns, slice(stored, rows.stop))).T] if stored < rows.stop else []
        yield columns, np.concatenate(parts) if len(parts) > 1 else parts[0]
