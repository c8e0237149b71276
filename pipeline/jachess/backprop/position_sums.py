"""The part of a Hessian block that two layers share, where weights of at least one of them act at many positions.

With a_js = Σ_i w_ji z_is at the positions s of one layer, and t those of another behind it,

    H[(j,i),(k,p)] = Σ_n Σ_s z_is Σ_t ( R_js,kt z_pt + δ_kt G_js,pt )

    R_js,kt = dδ_kt/da_js        G_js,pt = dz_pt/da_js

the strip formula with (point, position) as the axis of the sum. The inner sum, for each point the response of its own
gradient ∂E_n/∂w_kp to a_js, is one product of matrices a point; the outer one a product for each unit j. Layers without
positions have one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np

from jachess.backprop.perturbations import PERTURBED, Perturbations
from jachess.backprop.places import Part, chosen
from jachess.network.graph import Array
from jachess.network.layers import Indices, Layer
from jachess.network.positions import PositionedLayer
from jachess.network.working_arrays import empty

RESPONSES = 1 << 19
"""Elements of the points' own gradients' responses that are held for one matrix product."""
SUMMED = 128
"""Points times positions that a matrix product should sum over, at least."""

Sources = Sequence[tuple[int, Array]]
"""Some of a layer's units or inputs: the first one's number, and rows (J · S, n, …, T)."""


def n_positions_of(layer: Layer) -> int:
    """S."""
    return layer.n_positions if isinstance(layer, PositionedLayer) else 1


def position_sums(
    all_points: Iterable[Perturbations], first: Part, units: Indices, seconds: Sequence[Part]
) -> list[Array]:
    """H of some units of a layer with layers behind it, or itself: (J, I, K, P) for each of these, float64."""
    sums = [np.zeros((len(units), len(first.inputs), len(each.units), len(each.inputs))) for each in seconds]
    for points in all_points:
        room = max(1, PERTURBED // points.state.n_elements)
        across = min(room, n_positions_of(first.layer))
        together = max(1, room // across)
        for start in range(0, len(units), together):
            for place in range(0, n_positions_of(first.layer), across):
                some = slice(start, min(start + together, len(units)))
                positions = slice(place, min(place + across, n_positions_of(first.layer)))
                _add(points, first, units[some], positions, seconds, [each[some] for each in sums])
    return sums


def _add(
    points: Perturbations, first: Part, units: Indices, positions: slice, seconds: Sequence[Part], sums: Sequence[Array]
) -> None:
    """Perturb some units at some positions, and add what comes of it to the sums."""
    targets = {second.layer.pre_activation for second in seconds}
    tangents, responses = points.perturb(first.layer, units, targets, positions)
    z = chosen(points.seen(first.layer), first.inputs, axis=1)[:, :, positions].swapaxes(0, 1)
    z = np.ascontiguousarray(z)
    for second, target in zip(seconds, sums, strict=True):
        errors = points.errors_at_units(second.layer)
        tangent = [] if errors is None else points.seen_tangents(second.layer, tangents)
        response = responses.get(second.layer.pre_activation)
        rows = [] if response is None else [(0, points.at_units(second.layer, response))]
        if rows and tangent and errors is not None:
            _contract(z, *_both(points, second, errors, len(units), rows, tangent), target)
        elif rows:
            fed = chosen(points.seen(second.layer), second.inputs, axis=1).swapaxes(1, 2)
            _contract(z, _copied(rows, second.units, len(units)), fed[None, :, None], target)
        elif errors is not None and tangent:
            delta = np.ascontiguousarray(chosen(errors, second.units, axis=1))
            _contract(z, delta[None, :, None], _copied(tangent, second.inputs, len(units)).swapaxes(3, 4), target)


def _both(
    points: Perturbations, second: Part, errors: Array, n_units: int, response: Sources, tangent: Sources
) -> tuple[Array, Array]:
    """R with δ beside it, (J, n, S, K, 2T), and z with G below it, (J, n, S, 2T, P): one product for both terms."""
    layer, n_positions = second.layer, n_positions_of(second.layer)
    n_rows, n_points = response[0][1].shape[:2]
    lead, twice = (n_units, n_points, n_rows // n_units), 2 * n_positions
    a = empty((*lead, len(second.units), twice), errors.dtype)
    b = empty((*lead, twice, len(second.inputs)), errors.dtype)
    _copy(response, second.units, a[..., :n_positions])
    a[..., n_positions:] = chosen(errors, second.units, axis=1)[None, :, None]
    b[..., :n_positions, :] = chosen(points.seen(layer), second.inputs, axis=1).swapaxes(1, 2)[None, :, None]
    _copy(tangent, second.inputs, b[..., n_positions:, :].swapaxes(3, 4))
    return a, b


def _copied(sources: Sources, wanted: Indices, n_units: int) -> Array:
    """What `_copy` makes, (J, n, S, wanted, T)."""
    n_rows, n_points, _, n_positions = sources[0][1].shape
    shape = (n_units, n_points, n_rows // n_units, len(wanted), n_positions)
    found = empty(shape, sources[0][1].dtype)
    _copy(sources, wanted, found)
    return found


def _copy(sources: Sources, wanted: Indices, found: Array) -> None:
    """Bring what some of a layer's units or inputs respond to its place (J, n, S, wanted, T); the rest is zero."""
    if sum(rows.shape[2] for _, rows in sources) <= int(wanted[-1]):
        found[...] = 0
    for start, rows in sources:
        first, last = np.searchsorted(wanted, (start, start + rows.shape[2]))
        part = chosen(rows, wanted[first:last] - start, axis=2)
        found[..., first:last, :] = part.reshape(len(found), found.shape[2], *part.shape[1:]).swapaxes(1, 2)


def _contract(z: Array, a: Array, b: Array, sums: Array) -> None:
    """Add Σ_n Σ_s z_is Σ_t a_js,kt b_js,tp to sums (J, I, K, P), a cache full at a time.

    Parameters
    ----------
    z : array (I, n, S)
    a, b : arrays (J, n, S, K, T) and (J, n, S, T, P)
        One of the two may have a single J and a single S, which stand for all.
    """
    (n_inputs, n_points, n_positions), (n_units, _, n_outer, width) = z.shape, sums.shape
    least = min(n_points, -(-SUMMED // n_positions))
    outer = min(n_outer, max(1, RESPONSES // (least * n_positions * width)))
    together = min(n_points, max(least, RESPONSES // (n_positions * outer * width)))
    down = min(n_units, max(1, RESPONSES // (together * n_positions * outer * width)))
    for j, k, n in product(_steps(n_units, down), _steps(n_outer, outer), _steps(n_points, together)):
        target, seen = sums[j, :, k], z[:, n].reshape(n_inputs, -1)
        f = empty((len(target), n.stop - n.start, n_positions, target.shape[2], width), z.dtype)
        _multiply(a[j if len(a) > 1 else slice(None), n, :, k], b[j if len(b) > 1 else slice(None), n], f)
        room = empty((len(target), n_inputs, target[0, 0].size), target.dtype)
        target += np.matmul(seen, f.reshape(len(f), seen.shape[1], -1), out=room).reshape(target.shape)


def _multiply(a: Array, b: Array, f: Array) -> None:
    """Make f (J, n, S, K, P) the products of a and b."""
    if b.shape[2] == 1:  # one product for all positions
        a, f = (each.reshape(*each.shape[:2], 1, -1, each.shape[-1]) for each in (a, f))
    multiply = np.matmul if a.shape[-1] > 1 else np.multiply
    multiply(a, b, out=f)


def _steps(stop: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, stop)) for start in range(0, stop, step)]
