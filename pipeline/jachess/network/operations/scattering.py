"""Elements taken from, or put at, computed places: GatherElements, ScatterElements, ScatterND, TopK.

The places are whole numbers and have no derivative. Of what is put at one place twice, the last one stays, unless all
are added up.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.axes import from_end, is_float
from jachess.network.operations.movement import moving
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted


def _flat_places(call: Call) -> Array:
    """Places that GatherElements and ScatterElements mean, among the elements laid end to end."""
    indices, axis = call.inputs[1], from_end(call.attributes["axis"], call.x.ndim)
    assert indices is not None
    size = call.x.shape[axis]
    if indices.ndim != call.x.ndim or (indices < -size).any() or (indices >= size).any():
        raise NetworkError(f"its indices {indices.shape} do not fit {call.x.shape} along axis {axis}")
    places = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    places[axis] = indices % size
    return np.ravel_multi_index(np.broadcast_arrays(*places), call.x.shape)


def _taken(call: Call, rows: Array) -> Array:
    places = call.once("places", lambda: _flat_places(call))
    return np.take(rows.reshape(*rows.shape[: rows.ndim - call.x.ndim], -1), places, axis=-1)


def _added(call: Call, rows: Array) -> Array:
    """The transpose of `_taken`."""
    places = call.once("places", lambda: _flat_places(call))
    lead = rows.shape[: rows.ndim - places.ndim]
    whole = np.zeros((*lead, call.x.size), rows.dtype)
    np.add.at(whole.reshape(-1, call.x.size).T, places.ravel(), rows.reshape(-1, places.size).T)
    return whole.reshape(*lead, *call.x.shape)


def _nd_places(call: Call) -> Array:
    """Places that ScatterND means, among the elements laid end to end."""
    indices = call.inputs[1]
    assert indices is not None
    sizes, rest = call.x.shape[: indices.shape[-1]], call.x.shape[indices.shape[-1] :]
    if (indices < -np.array(sizes)).any() or (indices >= np.array(sizes)).any():
        raise NetworkError(f"an index is outside its axis (wanted within {sizes})")
    first = np.ravel_multi_index(tuple(np.moveaxis(indices % sizes, -1, 0)), sizes) if sizes else np.zeros(1, int)
    within = np.arange(math.prod(rest)).reshape(rest)
    return np.asarray(first).reshape(*indices.shape[:-1], *(1,) * len(rest)) * math.prod(rest) + within


def _scattering(name: str, find: Callable[[Call], Array]) -> Operation:
    """The record of y = data with updates at the places that ``find(call)`` gives."""

    def places(call: Call) -> Array:
        return call.once("places", lambda: find(call))

    def put(call: Call, data: Array, updates: Array) -> Array:
        lead = max((data.shape[: data.ndim - call.x.ndim], updates.shape[: updates.ndim - places(call).ndim]), key=len)
        whole = np.broadcast_to(data, (*lead, *call.x.shape)).reshape(-1, call.x.size).T.copy()
        rows = np.broadcast_to(updates, (*lead, *places(call).shape)).reshape(-1, places(call).size).T
        if call.attributes["reduction"] == "add":
            np.add.at(whole, places(call).ravel(), rows)
        elif call.attributes["reduction"] == "none":
            whole[places(call).ravel()] = rows
        else:
            raise NetworkError(f"its reduction '{call.attributes['reduction']}' is not supported (wanted none or add)")
        return np.ascontiguousarray(whole.T).reshape(*lead, *call.x.shape)

    def last(call: Call) -> Array:
        """Which updates stay: those that no later one overwrites."""
        if call.attributes["reduction"] == "add":
            return np.ones(places(call).shape, bool)
        numbers = np.arange(places(call).size)
        winner = np.zeros(call.x.size, int)
        winner[places(call).ravel()] = numbers
        return np.asarray(winner[places(call).ravel()] == numbers).reshape(places(call).shape)

    def forward(call: Call) -> Arrays:
        updates = call.inputs[2]
        assert updates is not None
        return (put(call, call.x, updates),)

    def tangent(call: Call, dx: Maybe) -> Maybe:
        zeros = [np.zeros(shape, call.x.dtype) for shape in (call.x.shape, places(call).shape)]
        if dx[0] is None and dx[2] is None:
            return (None,)
        return (put(call, zeros[0] if dx[0] is None else dx[0], zeros[1] if dx[2] is None else dx[2]),)

    def cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
        if dy[0] is None or not is_float(call.x):
            return (None, None, None)
        lead = dy[0].shape[: dy[0].ndim - call.x.ndim]
        flat = dy[0].reshape(*lead, -1)
        updates = np.take(flat, places(call), axis=-1) * last(call)
        if call.attributes["reduction"] == "add":
            return dy[0], None, updates
        data = flat.copy()
        data[..., places(call).ravel()] = 0
        return data.reshape(dy[0].shape), None, updates

    return Operation(name, (3, 3), forward, tangent, cotangent, attributes={"axis": 0, "reduction": "none"})


def _ranks(call: Call) -> tuple[Array, int]:
    """Places of the k largest, or smallest, along the axis; of equal ones the first comes first."""
    axis, given = from_end(call.attributes["axis"], call.x.ndim), call.inputs[1]
    assert given is not None
    order = np.argsort(-call.x if call.attributes["largest"] else call.x, axis=axis, kind="stable")
    return np.take(order, np.arange(int(given.item())), axis=axis), axis


def _top_tangent(call: Call, dx: Maybe) -> Maybe:
    ranks, axis = _ranks(call)
    if dx[0] is None:
        return (None,) * len(call.outputs)
    lead = dx[0].ndim - call.x.ndim
    return np.take_along_axis(dx[0], ranks[(None,) * lead], axis=axis), *(None,) * (len(call.outputs) - 1)


def _top_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    ranks, axis = _ranks(call)
    if dy[0] is None:
        return (None, None)
    lead = dy[0].shape[: dy[0].ndim - call.x.ndim]
    whole = np.zeros((*lead, *call.x.shape), dy[0].dtype)
    np.put_along_axis(whole, np.broadcast_to(ranks, (*lead, *ranks.shape)), dy[0], axis=axis)
    return whole, None


def _top(call: Call) -> Arrays:
    ranks, axis = _ranks(call)
    return np.take_along_axis(call.x, ranks, axis=axis), ranks


SCATTERING = (
    moving("GatherElements", (2, 2), _taken, _added, attributes={"axis": 0}),
    _scattering("ScatterElements", _flat_places),
    _scattering("ScatterND", _nd_places),
    Operation(
        "TopK",
        (2, 2),
        _top,
        _top_tangent,
        _top_cotangent,
        sides=lambda call: _ranks(call)[0],
        attributes={"axis": -1, "largest": 1, "sorted": 1},
        static=(1,),
    ),
)
