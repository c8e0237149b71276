"""Sealing a store whose blocks are complete: the verdict, and the state, which is written last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from jachess.batch.quantities import QUANTITIES, Context
from jachess.batch.store import Store
from jachess.batch.verdict import judge
from jachess.checks.agreement import SAMPLE_POINTS, agreement
from jachess.checks.verdict import Finding, Verdict
from jachess.network.graph import Array

_BLOCKS = 256
"""Blocks whose residuals are read at once."""


def _pieces(store: Store, name: str) -> Callable[[], Iterator[tuple[tuple[int, ...], Array]]]:
    """Residuals of some blocks at a time: the larger of those found before writing and after reading back."""
    record = QUANTITIES[name]
    arrays = [array for array in (record.residual, record.read_back) if array is not None]

    def pieces() -> Iterator[tuple[tuple[int, ...], Array]]:
        n_blocks = record.n_blocks(store.plan)
        for start in range(0, n_blocks, _BLOCKS):
            first, *rest = record.rows(store.plan, start)
            last = record.rows(store.plan, min(start + _BLOCKS, n_blocks) - 1)[0]
            region = (slice(first.start, last.stop), *rest)
            found = [store.read(array, region) for array in arrays]
            yield tuple(span.start for span in region), np.fmax.reduce(found)

    return pieces


def verdict_of(store: Store) -> Verdict:
    """What the residuals say that are stored beside the quantities."""
    return judge(store.plan, {name: _pieces(store, name) for name in store.plan.quantities})


def agreement_of(context: Context) -> Finding:
    """Whether independent ways to the derivatives that a job needs agree, on its first points."""
    quantities, source = context.plan.quantities, context.source
    points, targets = next(source.chunks(0, min(source.count, SAMPLE_POINTS), SAMPLE_POINTS))
    return agreement(
        context.network,
        context.head,
        points,
        targets,
        jacobian="jacobian" in quantities,
        hessian=bool({"gradient", "hessian", "block_diagonal", "diagonal"} & set(quantities)),
    )


def seal(store: Store, agreeing: Finding) -> Verdict:
    """Judge the result and write the verdict; the state comes with it, last."""
    verdict = Verdict({**verdict_of(store).findings, "agreement": agreeing})
    store.update_attributes(
        {
            "state": "complete" if verdict.passed else "failed",
            "verdict": verdict.as_dict(),
            "finished_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
    )
    return verdict
