"""Tangents that have met elementwise operations only: the response of unit j lies in unit j alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jachess.network.graph import Array
from jachess.network.operations.record import Call, Maybe, Operation, Wanted
from jachess.network.working_arrays import empty


@dataclass(frozen=True)
class Diagonal:
    """Tangents (J, n, M) of unit perturbations of J units, of which row j is zero but at unit ``units[j]``.

    Attributes
    ----------
    values : array (1, n, M)
        The responses of all M units, each to its own perturbation.
    units : int array (J,)
    """

    values: Array
    units: Array

    def rows(self) -> Array:
        """The responses that are not zero, (J, n)."""
        return np.asarray(self.values[0].T[self.units])

    def dense(self) -> Array:
        """The tangents (J, n, M), with the points last in memory."""
        _, n_points, width = self.values.shape
        tangents = empty((len(self.units), width, n_points), self.values.dtype)
        tangents.fill(0)
        tangents[np.arange(len(self.units)), self.units] = self.rows()
        return tangents.swapaxes(1, 2)

    def add_to(self, tangents: Array) -> Array:
        """Other rows (J, n, M) with these added to them in place."""
        tangents.transpose(0, 2, 1)[np.arange(len(self.units)), self.units] += self.rows()
        return tangents


Tangent = Array | Diagonal


def dense(tangent: Tangent | None) -> Array | None:
    """Tangents with every zero spelled out."""
    return tangent.dense() if isinstance(tangent, Diagonal) else tangent


def common(
    record: Operation, call: Call, tangents: tuple[Tangent | None, ...], wanted: Wanted = ()
) -> tuple[Maybe, Array] | None:
    """Diagonal tangents of an operation's inputs as arrays (1, n, M), and the units; None if they do not stay diagonal.

    They do if the operation is elementwise and none of these inputs is repeated along an axis; nor may one be whose
    cotangent is ``wanted``, as a gate of one unit for many is: its cotangent sums over units.
    """
    given = [tangent for tangent in tangents if tangent is not None]
    first = given[0] if given else None
    if not isinstance(first, Diagonal) or not record.elementwise:
        return None
    if any(tangent is not None and not isinstance(tangent, Diagonal) for tangent in tangents):
        return None
    flags = wanted or (False,) * len(tangents)
    for tangent, flag, value in zip(tangents, flags, call.inputs, strict=True):
        if (tangent is not None or flag) and (value is None or value.shape != call.y.shape):
            return None
    return tuple(tangent.values if isinstance(tangent, Diagonal) else None for tangent in tangents), first.units
