"""Sealing a store whose blocks are complete: the verdict, and the state, which is written last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from jachess.batch.quantities import QUANTITIES
from jachess.batch.store import Store
from jachess.batch.verdict import Verdict, judge
from jachess.network.graph import Array


def _pieces(store: Store, name: str) -> Callable[[], Iterator[tuple[tuple[int, ...], Array]]]:
    spec = next(s for s in QUANTITIES[name].arrays(store.plan) if s.name == QUANTITIES[name].residual)

    def pieces() -> Iterator[tuple[tuple[int, ...], Array]]:
        for number in range(spec.grid[0]):
            span = slice(number * spec.chunks[0], min((number + 1) * spec.chunks[0], spec.shape[0]))
            rest = tuple(slice(0, length) for length in spec.shape[1:])
            yield (span.start, *(0 for _ in rest)), store.read(spec.name, (span, *rest))

    return pieces


def verdict_of(store: Store) -> Verdict:
    """What the stored residuals say."""
    checked = [name for name in store.plan.quantities if QUANTITIES[name].residual is not None]
    return judge(store.plan, {name: _pieces(store, name) for name in checked})


def seal(store: Store) -> Verdict:
    """Judge the result and write the verdict; the state comes with it, last."""
    verdict = verdict_of(store)
    store.update_attributes(
        {
            "state": "complete" if verdict.passed else "failed",
            "verdict": verdict.as_dict(),
            "finished_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
    )
    return verdict
