"""Faults in the sums over points and positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from jachess.network.graph import Array
from jachess.network.positions import PositionedLayer
from tests.faults.fault import HESSIAN, Fault, around, instead, returned

PERTURBATIONS = "jachess.backprop.perturbations.Perturbations"
SUMS = "jachess.backprop.position_sums"


def first_position_only(f: Callable[..., Any]) -> Callable[..., Any]:
    """A unit's pre-activations at other positions stay as they are."""

    def faulty(own: Any, layer: Any, units: Array, positions: slice) -> Any:
        rows = f(own, layer, units, positions)
        if isinstance(layer, PositionedLayer):
            rows.reshape(len(units), -1, *rows.shape[1:])[:, max(0, 1 - positions.start) :] = 0
        return rows

    return faulty


def next_position(f: Callable[..., Any]) -> Callable[..., Any]:
    """What a unit sees at the position beside."""
    return lambda own, layer: np.roll(f(own, layer), 1, axis=-1)


def second_alone(factors: tuple[Array, Array]) -> tuple[Array, Array]:
    """Of two terms beside each other the second one counts."""
    a, b = factors
    a[..., : a.shape[-1] // 2] = 0
    return a, b


def other_way_round(f: Callable[..., Any]) -> Callable[..., Any]:
    """Tokens before the points are taken for tokens behind them."""
    return lambda own, *given, **named: f(replace(own, before=own.after, after=own.before), *given, **named)


def unmoved(f: Callable[..., Any]) -> Callable[..., Any]:
    """Elements behind a move are taken to be in the order that they had."""

    def faulty(*given: Any) -> Any:
        places = f(*given)
        return np.sort(places, axis=None).reshape(places.shape)

    return faulty


def first_uses(uses: Any) -> Any:
    """Each tensor's first use alone."""
    return {use.weights: (place, use) for place, use in reversed(uses.items())}.values()


POSITIONS = (
    Fault("positions", "the first one alone", around(f"{PERTURBATIONS}._unit_vectors", first_position_only), HESSIAN),
    Fault("positions", "z of the next one", around(f"{PERTURBATIONS}.seen", next_position), HESSIAN),
    Fault("positions", "whose they are", around("jachess.network.operations.record.PointAxis.by_position",
          other_way_round), HESSIAN),
    Fault("positions", "a bias behind moves", around("jachess.network.matrix_uses._Search._moved", unmoved), HESSIAN),
    Fault("positions", "a tensor's other use", around("jachess.network.positions.weight_uses",
          returned(lambda uses: dict(first_uses(uses)))), HESSIAN),
    Fault("missing term", "δ G at positions", instead(f"{PERTURBATIONS}.errors_at_units", lambda own, layer: None),
          HESSIAN),
    Fault("missing term", "R z beside δ G at positions", around(f"{SUMS}._both", returned(second_alone)), HESSIAN),
    Fault("missing term", "a layer beside one with positions", around("jachess.backprop.positions._partners",
          returned(lambda partners: partners[:1])), HESSIAN),
)  # fmt: skip
