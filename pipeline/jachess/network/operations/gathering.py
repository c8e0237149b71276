"""Gather and GatherND: rows taken from a table, at places that are given."""

from __future__ import annotations

import math

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.axes import bounded, from_end
from jachess.network.operations.movement import lead_of, moving
from jachess.network.operations.record import Call, PointAxis, Positions


def _indices(call: Call) -> tuple[Array, int]:
    indices, axis = call.inputs[1], from_end(call.attributes["axis"], call.x.ndim)
    assert indices is not None
    size = call.x.shape[axis]
    if indices.size and (indices.min() < -size or indices.max() >= size):
        raise NetworkError(f"an index is outside its axis (wanted {-size} to {size - 1})")
    return np.where(indices < 0, indices + size, indices), axis


def _gather(call: Call, rows: Array) -> Array:
    indices, axis = _indices(call)
    bounded((*call.x.shape[: axis + call.x.ndim], *indices.shape, *call.x.shape[axis + call.x.ndim + 1 :]))
    return np.take(rows, indices, axis=axis)


def _scatter(call: Call, rows: Array) -> Array:
    """What was taken twice is added twice."""
    indices, axis = _indices(call)
    behind = -axis - 1  # axes behind the gathered one
    lead = lead_of(rows, call.y.ndim)
    whole = np.zeros(lead + call.x.shape, rows.dtype)
    front = rows.ndim - behind - indices.ndim
    moved = rows.reshape((*rows.shape[:front], indices.size, *rows.shape[front + indices.ndim :]))
    np.add.at(np.moveaxis(whole, axis, 0), indices.ravel(), np.moveaxis(moved, front, 0))
    return whole


def _gather_positions(call: Call, points: PointAxis) -> Positions | None:
    """A table of weights: what its units see at each position is a vector with 1 at the row that is taken, and 0s."""
    indices, axis = _indices(call)
    if axis != -call.x.ndim or call.x.ndim != 2:
        return None
    size = call.x.shape[0]

    def seen(indices: Array) -> Array:
        taken = np.where(indices < 0, indices + size, indices)[..., None] == np.arange(size)
        return points.by_position(taken.astype(call.x.dtype), taken.ndim)

    def units(rows: Array) -> Array:
        return points.by_position(rows, indices.ndim + 1)

    return Positions(seen, units, lambda table: table.T, weights=0, source=1)


def _flat_indices(call: Call) -> tuple[Array, int]:
    """GatherND's positions on its q gathered axes laid end to end, and the number of axes behind them."""
    indices = call.inputs[1]
    assert indices is not None
    if call.attributes["batch_dims"]:
        raise NetworkError("batch_dims is not supported. Export the network with Gather in its place")
    sizes = call.x.shape[: indices.shape[-1]]
    if (indices < -np.array(sizes)).any() or (indices >= np.array(sizes)).any():
        raise NetworkError(f"an index is outside its axis (wanted within {sizes})")
    flat = np.ravel_multi_index(tuple(np.moveaxis(indices % sizes, -1, 0)), sizes)
    return np.asarray(flat), call.x.ndim - len(sizes)


def _gather_nd(call: Call, rows: Array) -> Array:
    flat, behind = _flat_indices(call)
    lead = lead_of(rows, call.x.ndim)
    rest = call.x.shape[call.x.ndim - behind :]
    bounded((*lead, *flat.shape, *rest))
    return np.take(rows.reshape((*lead, -1, *rest)), flat, axis=len(lead))


def _scatter_nd(call: Call, rows: Array) -> Array:
    flat, behind = _flat_indices(call)
    lead = lead_of(rows, call.y.ndim)
    rest = call.x.shape[call.x.ndim - behind :]
    whole = np.zeros((*lead, math.prod(call.x.shape[: call.x.ndim - behind]), *rest), rows.dtype)
    moved = rows.reshape((*lead, flat.size, *rest))
    np.add.at(np.moveaxis(whole, len(lead), 0), flat.ravel(), np.moveaxis(moved, len(lead), 0))
    return whole.reshape(lead + call.x.shape)


GATHERING = (
    moving("Gather", (2, 2), _gather, _scatter, attributes={"axis": 0}, weights=(0,), positions=_gather_positions),
    moving("GatherND", (2, 2), _gather_nd, _scatter_nd, attributes={"batch_dims": 0}),
)
