"""What workers do with a block: compute, check and write it, the receipt last; later read it back and check again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import WorkerPlugin
from threadpoolctl import threadpool_limits

from jachess.batch.quantities import QUANTITIES, Context
from jachess.batch.quantities.record import Read, Receipts, Write, computed_arrays, read_back_arrays
from jachess.batch.store import Store
from jachess.network.graph import Array

Block = tuple[str, int]
"""Name of a quantity, and number of the block."""

Blocks = Sequence[int]
"""Numbers of the blocks of a quantity that one task takes."""


class WorkerContext(WorkerPlugin):  # type: ignore[misc]
    """Brings network, points and plan to each worker once, also to one that was started again."""

    name = "jachess"

    def __init__(self, context: Context, out: str) -> None:
        self.context, self.out = context, out
        self.store: Store | None = None
        self.checks: dict[str, Callable[[Read, int], Array]] = {}

    def setup(self, worker: Any) -> None:
        """Open the store when the worker starts; let each worker use one core."""
        self.limits = threadpool_limits(1)
        self.store = Store(self.out)

    def teardown(self, worker: Any) -> None:
        """The worker may be a guest in a process that has other work to do."""
        self.limits.restore_original_limits()

    def check_of(self, quantity: str) -> Callable[[Read, int], Array]:
        """The check of a quantity's stored blocks, made once in each worker."""
        if quantity not in self.checks:
            self.checks[quantity] = QUANTITIES[quantity].stored_check(self.context)
        return self.checks[quantity]


def write_blocks(context: Context, store: Store, quantity: str, blocks: Blocks) -> None:
    """Compute, check and write blocks; the receipts, written last, prove that all is on the disk."""
    record, receipts = QUANTITIES[quantity], list[Write]()

    def all_but_receipts() -> Iterator[Write]:
        for block in blocks:
            for write in record.compute(context, block):
                if write[0] == record.receipt:
                    receipts.append(write)
                else:
                    yield write

    store.write(all_but_receipts())
    store.write(receipts)


def read_back_blocks(check: Callable[[Read, int], Array], store: Store, quantity: str, blocks: Blocks) -> None:
    """Check what the store holds of blocks: so storing and placing are checked too. What is found is their receipt."""
    record = QUANTITIES[quantity]
    store.write((record.read_back, record.rows(store.plan, block), check(store.read, block)) for block in blocks)


def _plugin() -> WorkerContext:
    from distributed import get_worker

    plugin: WorkerContext = get_worker().plugins[WorkerContext.name]
    return plugin


def compute_task(quantity: str, blocks: Blocks) -> None:
    """Compute blocks, on a worker that has its `WorkerContext`."""
    plugin = _plugin()
    assert plugin.store is not None
    write_blocks(plugin.context, plugin.store, quantity, blocks)


def read_back_task(quantity: str, blocks: Blocks) -> None:
    """Read blocks back, on such a worker."""
    plugin = _plugin()
    assert plugin.store is not None
    read_back_blocks(plugin.check_of(quantity), plugin.store, quantity, blocks)


@dataclass(frozen=True)
class Stage:
    """What is done to each block in turn.

    Attributes
    ----------
    name : str
    task : (quantity, blocks) -> None
        What a worker does.
    receipts : Receipts
    """

    name: str
    task: Callable[[str, Blocks], None]
    receipts: Receipts

    def left(self, store: Store, quantity: str, blocks: Blocks) -> list[int]:
        """Which of some blocks lack a receipt on the disk."""
        found = set[int]()
        for spec in self.receipts(QUANTITIES[quantity], store.plan):
            owners = spec.owners
            for indices in np.argwhere(np.isin(owners, blocks)).tolist():
                if not store.is_whole(spec.name, indices):
                    found.add(int(owners[tuple(indices)]))
        return sorted(found)

    def missing(self, store: Store) -> list[Block]:
        """The blocks for which it is not done."""
        found = []
        for name in store.plan.quantities:
            found += [(name, block) for block in np.flatnonzero(~store.done(name, self.receipts)).tolist()]
        return found


COMPUTE = Stage("computed", compute_task, computed_arrays)
READ_BACK = Stage("read back", read_back_task, read_back_arrays)
