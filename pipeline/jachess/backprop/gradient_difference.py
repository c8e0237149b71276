"""Central differences of the gradient ∂E/∂w, and of E itself, along directions of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jachess.backprop.differences import (
    NEAR,
    OFFSETS,
    SMALLER,
    STEP,
    Difference,
    residuals,
    sizes,
    tolerances,
)
from jachess.backprop.gradient import gradient
from jachess.backprop.gradient_sums import GradientSums
from jachess.backprop.propagation import Chunks
from jachess.backprop.r_operator import perturbed_gradients
from jachess.backprop.row_products import products_beyond
from jachess.network.graph import Array, Network
from jachess.network.head import Head
from jachess.network.weight_vector import unpack

EXCLUDED_SHARE = 0.01
"""Share of the points that may be left out for their kinks; with more there is no verdict."""


@dataclass(frozen=True)
class GradientDifference:
    """Central differences of ∂E/∂w and of E along one direction, without the points that have kinks there.

    All that has an element for each weight is zero at tensors that were not asked.

    Attributes
    ----------
    gradient : Difference
        Arrays (W,).
    error : Difference
        Arrays (1,).
    middle : array (W,)
        ∂E/∂w, as the mean of those at either side.
    excluded, excluded_slope : array (W,), float
        H v and ∂E/∂w · v of the points left out, by backpropagation: what the differences lack of the whole.
    n_excluded, n_points : int
    """

    gradient: Difference
    error: Difference
    middle: Array
    excluded: Array
    excluded_slope: float
    n_excluded: int
    n_points: int

    @property
    def trusted(self) -> bool:
        """Whether few enough points were left out for a verdict."""
        return self.n_excluded <= EXCLUDED_SHARE * self.n_points

    def with_rounding_of(self, other: GradientDifference) -> GradientDifference:
        """With R that is not less than that of another one."""
        return replace(
            self,
            gradient=self.gradient.with_rounding_of(other.gradient),
            error=self.error.with_rounding_of(other.error),
        )


def difference_of_gradient(
    head: Head,
    chunks: Chunks,
    direction: Array,
    random: np.random.Generator,
    step: float = STEP,
    rows: slice = slice(None),
    known: GradientDifference | None = None,
) -> GradientDifference:
    """Difference ∂E/∂w along a direction (W,) of the weights, summed over all points.

    In the outer-product form only the outputs' errors move with the weights; they go back through the network as it is.

    Parameters
    ----------
    rows : slice, optional
        The rows of ∂E/∂w that are asked, all by default. What the result has are those of the tensors that they lie
        in, and of those that move: E's own difference needs these.
    known : GradientDifference, optional
        One along another direction, whose errors are to do for this one: it has `NEAR` evaluations alone. Only points
        that need smaller steps are disturbed again.
    """
    network = head.network
    asked = direction != 0
    asked[rows] = True
    wanted = [weight.name for weight in network.weights if asked[weight.slice].any()]
    offsets = OFFSETS if known is None else NEAR
    sums = [
        GradientSums(head, direction, wanted, step * factor, offsets, disturbed=known is None or factor < 1)
        for factor in SMALLER
    ]
    excluded, slope, n_excluded, n_points = np.zeros(network.n_weights), 0.0, 0, 0
    for points, targets in chunks():
        prepared = head.targets(targets)
        n_points += len(prepared)
        pending = np.arange(len(prepared))
        for level in sums:
            some = tuple(array[pending] for array in points)
            pending = pending[~level.add(some, prepared[pending], random)]
            if not len(pending):
                break
        if len(pending):
            left_out = [(tuple(array[pending] for array in points), targets[pending])]
            excluded += perturbed_gradients(head, left_out.copy, unpack(network, direction[None]), targets=wanted)[0]
            slope += float(gradient(head, left_out.copy) @ direction)
            n_excluded += len(pending)
    of_gradient, of_error = (
        _total([level.of_gradient() for level in sums]),
        _total([level.of_error() for level in sums]),
    )
    middle = np.asarray(sum(level.middle() for level in sums))
    found = GradientDifference(of_gradient, of_error, middle, excluded, slope, n_excluded, n_points)
    return found if known is None else found.with_rounding_of(known)


def _total(parts: Sequence[Difference]) -> Difference:
    """The sum of differences over different points, as one with the step of the first."""
    value, spread, floor = (
        np.asarray(sum(getattr(part, name) for part in parts)) for name in ("value", "spread", "floor")
    )
    return Difference(value, spread, floor, parts[0].step)


def weight_sizes(network: Network) -> Array:
    """Sizes s_i (W,) of the weights: their own, at least the typical one of their tensor."""
    size = sizes(network.w[:, None])[:, 0]
    for weight in network.weights:
        if network.w[weight.slice].any():
            size[weight.slice] = sizes(network.w[weight.slice, None])[:, 0]
    return size


def slope_residuals(
    gradients: Sequence[Array],
    directions: Sequence[Array],
    differences: Sequence[GradientDifference],
    known: Sequence[Array] = (),
) -> Array:
    """Residuals of ∂E/∂w · v for each direction v, against the differences of E along it.

    Gradients of other points, which the differences are without, may be ``known``.
    """
    found, allowed = [], tolerances([difference.error for difference in differences])
    for claimed, direction, difference, tolerance in zip(gradients, directions, differences, allowed, strict=True):
        product, rounding = products_beyond(claimed[None], direction[None], [part[None] for part in known])
        discrepancy = product - difference.excluded_slope - difference.error.value
        found.append(float(residuals(discrepancy, tolerance + rounding)[0]) if difference.trusted else np.nan)
    return np.array(found)
