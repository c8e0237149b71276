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
from jachess.backprop.places import Part
from jachess.network.graph import Array
from jachess.network.layers import Indices, Layer
from jachess.network.positions import PositionedLayer
from jachess.network.working_arrays import empty

RESPONSES = 1 << 19
"""Elements of the points' own gradients' responses that are held for one matrix product."""
SUMMED = 128
"""Points times positions that a matrix product should sum over, at least."""


def n_positions(layer: Layer) -> int:
    """S."""
    return layer.n_positions if isinstance(layer, PositionedLayer) else 1


def position_sums(
    all_points: Iterable[Perturbations], first: Part, units: Indices, seconds: Sequence[Part]
) -> list[Array]:
    """H of some units of a layer with layers behind it, or itself: (J, I, K, P) for each of these, float64."""
    sums = [np.zeros((len(units), len(first.inputs), len(each.units), len(each.inputs))) for each in seconds]
    for points in all_points:
        room = max(1, PERTURBED // points.state.n_elements)
        across = min(room, n_positions(first.layer))
        together = max(1, room // across)
        for start in range(0, len(units), together):
            for place in range(0, n_positions(first.layer), across):
                some = slice(start, min(start + together, len(units)))
                positions = slice(place, min(place + across, n_positions(first.layer)))
                _add(points, first, units[some], positions, seconds, [each[some] for each in sums])
    return sums


def _add(
    points: Perturbations, first: Part, units: Indices, positions: slice, seconds: Sequence[Part], sums: Sequence[Array]
) -> None:
    """Perturb some units at some positions, and add what comes of it to the sums."""
    targets = {second.layer.pre_activation for second in seconds}
    tangents, responses = points.perturb(first.layer, units, targets, positions)
    z = points.seen(first.layer)[:, first.inputs, positions]
    z = np.ascontiguousarray(z.swapaxes(0, 1))
    for second, target in zip(seconds, sums, strict=True):
        response, errors = responses.get(second.layer.pre_activation), points.errors_at_units(second.layer)
        tangent = None if errors is None else points.seen_tangents(second.layer, tangents)
        terms = []
        if response is not None:
            rows = _by_unit(points.at_units(second.layer, response)[:, :, second.units], len(units))
            fed = points.seen(second.layer)[:, second.inputs].swapaxes(1, 2)
            terms.append((rows, np.ascontiguousarray(fed)[None, :, None]))
        if errors is not None and tangent is not None:
            rows = _by_unit(tangent[:, :, second.inputs].swapaxes(2, 3), len(units))
            terms.append((np.ascontiguousarray(errors[:, second.units])[None, :, None], rows))
        if terms:
            _contract(z, terms, target)


def _by_unit(rows: Array, n_units: int) -> Array:
    """Rows (J · S, n, …) as (J, n, S, …)."""
    return np.ascontiguousarray(rows.reshape(n_units, -1, *rows.shape[1:]).swapaxes(1, 2))


def _contract(z: Array, terms: Sequence[tuple[Array, Array]], sums: Array) -> None:
    """Add Σ_n Σ_s z_is Σ_t a_js,kt b_js,tp, added up over terms, to sums (J, I, K, P), a cache full at a time.

    Parameters
    ----------
    z : array (I, n, S)
    terms : pairs of arrays a (J, n, S, K, T) and b (J, n, S, T, P)
        One of the two has a single J and a single S, which stand for all.
    """
    (n_inputs, n_points, n_positions), (n_units, _, n_outer, width) = z.shape, sums.shape
    least = min(n_points, -(-SUMMED // n_positions))
    outer = min(n_outer, max(1, RESPONSES // (least * n_positions * width)))
    together = min(n_points, max(least, RESPONSES // (n_positions * outer * width)))
    down = min(n_units, max(1, RESPONSES // (together * n_positions * outer * width)))
    for j, k, n in product(_steps(n_units, down), _steps(n_outer, outer), _steps(n_points, together)):
        target, seen = sums[j, :, k], z[:, n].reshape(n_inputs, -1)
        f = empty((len(target), n.stop - n.start, n_positions, target.shape[2], width), z.dtype)
        for number, (a, b) in enumerate(terms):
            a, b = a[j if len(a) > 1 else slice(None), n, :, k], b[j if len(b) > 1 else slice(None), n]
            _product(a, b, f, add=number > 0)
        target += np.matmul(seen, f.reshape(len(f), seen.shape[1], -1)).reshape(target.shape)


def _product(a: Array, b: Array, f: Array, *, add: bool) -> None:
    """Make f (J, n, S, K, P) the products of a and b, or add these to it."""
    if b.shape[2] == 1:  # one product for all positions
        a, f = (each.reshape(*each.shape[:2], 1, -1, each.shape[-1]) for each in (a, f))
    multiply = np.matmul if a.shape[-1] > 1 else np.multiply
    if add:
        f += multiply(a, b)
    else:
        multiply(a, b, out=f)


def _steps(stop: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, stop)) for start in range(0, stop, step)]
