"""Which inputs a wrong row is wrong in: halves of halves, the worst first."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence

import numpy as np

from jachess.network.graph import Array

MOST_LOOKS = 64
MOST_FOUND = 5
TRIES = 3
"""How often halves are looked at, if one of them must be wrong and neither seems so."""


def locate(residual: Callable[[Array], float], suspects: Sequence[Array]) -> list[int]:
    """Some of the inputs, `MOST_FOUND` at most, whose elements are wrong.

    Parameters
    ----------
    residual : array of int -> float
        The largest residual of the rows in question along a direction that moves these inputs alone.
    suspects : sequence of int arrays
        Inputs that are known to be wrong together.
    """
    heap = [(-math.inf, -number, which) for number, which in enumerate(suspects)]
    heapq.heapify(heap)
    found: list[int] = []
    n_looks = 0
    while heap and len(found) < MOST_FOUND:
        _, _, which = heapq.heappop(heap)
        if len(which) == 1:
            found.append(int(which[0]))
            continue
        if n_looks >= MOST_LOOKS:
            break
        for _ in range(TRIES):
            halves = [(residual(half), half) for half in np.array_split(which, 2)]
            n_looks += len(halves)
            wrong = [(-size, n_looks + number, half) for number, (size, half) in enumerate(halves) if size > 1]
            for entry in wrong:
                heapq.heappush(heap, entry)
            if wrong:
                break
    return found
