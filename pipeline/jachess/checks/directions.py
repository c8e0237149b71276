"""Random directions, and the scales of x that they are made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from jachess.errors import InputError
from jachess.network.graph import Array

BITS = 10
"""Of the random factors: few enough that x + εv is exact, enough that no two errors in a row cancel by chance."""
FAR = 2.0**10
"""How much smaller than the others an element may be and still move as far as they do."""
SHRINKS = (1.0, 1.0, 2.0**-12, 2.0**-24)
"""The tries: a second one along new directions, which may miss a kink; then each ladder begins where one has ended."""


def scales(x: Array, given: ArrayLike | None, shape: tuple[int, ...]) -> Iterator[Array]:
    """Sizes s_i (D,) of changes of the inputs, one after the other; powers of two, so that steps round nothing.

    An input's own size, but at least the typical one, so that elements that happen to be small are checked as well as
    the others. Where some are far smaller, perhaps they are of another kind: then with their own sizes as well.

    Raises
    ------
    InputError
        If ``given`` does not fit x.
    """
    own, typical = np.abs(x), float(np.median(np.abs(x[x != 0]))) if x.any() else 1.0
    families = [np.maximum(own, typical)]
    if (own[own > 0] < typical / FAR).any():
        families.append(np.where(own > 0, own, typical))
    if given is not None:
        try:
            wanted = np.broadcast_to(np.asarray(given, np.float64), shape).ravel()
        except ValueError:
            wanted = np.zeros(1)
        if not ((wanted > 0) & (wanted < np.inf)).all():
            raise InputError(f"scale: wanted positive numbers, one or as many as x has (got shape {np.shape(given)}).")
        families = [wanted]
    for shrink in SHRINKS:
        for family in families:
            yield 2.0 ** np.round(np.log2(family)) * shrink


def random_direction(size: Array, random: np.random.Generator) -> Array:
    """A direction ±m_i s_i with random signs and m_i from 1/2 to 1.

    Were all m_i alike, two elements of a row that were exchanged would cancel in every second direction.
    """
    factors = random.integers(2 ** (BITS - 1), 2**BITS, size.shape) / 2.0**BITS
    return np.asarray(size * factors * random.choice((-1.0, 1.0), size.shape))


def part(direction: Array, which: Array, others: Array | None = None) -> Array:
    """The direction with the elements ``which`` alone; of a pair, the first so, the second with ``others`` if given."""
    kept = np.zeros(direction.shape, bool)
    if direction.ndim == 1:
        kept[which] = True
    else:
        kept[0, which], kept[1, slice(None) if others is None else others] = True, True
    return np.where(kept, direction, 0.0)
