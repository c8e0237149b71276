"""Functions of one variable, each a record of f, f' and f''.

Every rule follows from the three: ẏ = f' ẋ, x̄ = f' ȳ, and the curvature f'' ẋ ȳ. At a kink the derivative is the one
from the left, where f is flat (ReLU and its relatives: 0 at 0), as PyTorch has it; `sides` tells on which piece an
element lies, so that the checks leave out differences across a kink.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.axes import times
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted

Function = Callable[[Array, Mapping[str, Any]], Array]
"""A function of x and the attributes."""


def unary(
    name: str,
    f: Function,
    f1: Function,
    f2: Function | None,
    *,
    sides: Function | None = None,
    attributes: Mapping[str, Any] | None = None,
    analytic: bool = False,
) -> Operation:
    """The record of an elementwise function from its first two derivatives (f2 None: f is piecewise linear)."""

    def forward(call: Call) -> Arrays:
        return (np.asarray(f(call.x, call.attributes)),)

    def first(call: Call) -> Array:
        return call.once("f'", lambda: f1(call.x, call.attributes))

    def tangent(call: Call, dx: Maybe) -> Maybe:
        return (None if dx[0] is None else times(first(call), dx[0]),)

    def cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
        return (None if dy[0] is None else times(first(call), dy[0]),)

    def curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
        if dx[0] is None or dy[0] is None or f2 is None:
            return (None,)
        second = call.once("f''", lambda: f2(call.x, call.attributes))
        return (times(times(second, dy[0]), dx[0]),)

    return Operation(
        name,
        (1, 1),
        forward,
        tangent,
        cotangent,
        curvature if f2 is not None else None,
        sides=None if sides is None else lambda call: sides(call.x, call.attributes),
        attributes=attributes or {},
        elementwise=True,
        derivative=first,
        analytic=analytic,
    )
