"""The stages of a run: what is done to blocks, and which of them still need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from jachess.batch.quantities import QUANTITIES, WORKS
from jachess.batch.quantities.record import Receipts, Sums, computed_arrays, read_back_arrays
from jachess.batch.store import Store
from jachess.batch.tasks import Block, Blocks, compute_task, read_back_task
from jachess.network.graph import Array

Wanted = Callable[[Store], Iterator[tuple[str, Array]]]
"""Gives names of what is computed, and which of its blocks (n_blocks,) are needed."""


@dataclass(frozen=True)
class Stage:
    """What is done to each block in turn.

    Attributes
    ----------
    name : str
    task : (name of the run's WorkerContext, name of the stage, of what is computed, blocks) -> None
        What a worker does.
    receipts : Receipts
    wanted : Wanted
    """

    name: str
    task: Callable[[str, str, str, Blocks], None]
    receipts: Receipts
    wanted: Wanted

    def left(self, store: Store, name: str, blocks: Blocks) -> list[int]:
        """Which of some blocks lack a receipt on the disk."""
        found = set[int]()
        for spec in self.receipts(WORKS[name], store.plan):
            owners = spec.owners
            for indices in np.argwhere(np.isin(owners, blocks)).tolist():
                if not store.is_whole(spec.name, indices):
                    found.add(int(owners[tuple(indices)]))
        return sorted(found)

    def missing(self, store: Store) -> list[Block]:
        """The blocks for which it is not done, and is needed."""
        found = dict[Block, None]()
        for name, needed in self.wanted(store):
            if needed.any():
                lacking = needed & ~store.done(name, self.receipts)
                found |= {(name, block): None for block in np.flatnonzero(lacking).tolist()}
        return list(found)


def _all(store: Store) -> Iterator[tuple[str, Array]]:
    for name in store.plan.quantities:
        yield name, np.ones(QUANTITIES[name].n_blocks(store.plan), bool)


def _split(store: Store) -> Iterator[tuple[str, Sums]]:
    for name in store.plan.quantities:
        sums = QUANTITIES[name].split(store.plan)
        if sums is not None:
            yield name, sums


def _parts(store: Store) -> Iterator[tuple[str, Array]]:
    """Of sums that are not there yet."""
    for name, sums in _split(store):
        yield sums.parts.name, np.repeat(~store.done(name), sums.n_ranges(store.plan))


def _differences(store: Store) -> Iterator[tuple[str, Array]]:
    """If sums have not been compared with them; those of one form share them."""
    wanted = dict[str, Array]()
    for name, sums in _split(store):
        needed = np.full(sums.differences.n_blocks(store.plan), not store.done(name, read_back_arrays).all())
        wanted[sums.differences.name] = needed | wanted.get(sums.differences.name, False)
    yield from wanted.items()


PARTS = Stage("summed in parts", compute_task, computed_arrays, _parts)
COMPUTE = Stage("computed", compute_task, computed_arrays, _all)
DIFFERENCES = Stage("differenced in parts", compute_task, computed_arrays, _differences)
READ_BACK = Stage("read back", read_back_task, read_back_arrays, _all)
STAGES = (PARTS, COMPUTE, DIFFERENCES, READ_BACK)
"""In their order. Those by parts are there where sums over very many points are split."""
