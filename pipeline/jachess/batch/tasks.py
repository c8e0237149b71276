"""What workers do with a block: compute, check and write it, the receipt last; later read it back and check again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin
from threadpoolctl import threadpool_limits

from jachess.batch.quantities import QUANTITIES, Context
from jachess.batch.quantities.record import Read, Receipts, all_chunks
from jachess.batch.store import Store
from jachess.network.graph import Array

Block = tuple[str, int]
"""Name of a quantity, and number of the block."""


class WorkerContext(WorkerPlugin):  # type: ignore[misc]
    """Brings network, points and plan to each worker once, also to one that was started again."""

    name = "jachess"

    def __init__(self, context: Context, path: Path) -> None:
        self.context, self.path = context, path
        self.store: Store | None = None
        self.checks: dict[str, Callable[[Read, int], Array]] = {}

    def setup(self, worker: Any) -> None:
        """Open the store when the worker starts; let each worker use one core."""
        threadpool_limits(1)
        self.store = Store(self.path)

    def check_of(self, quantity: str) -> Callable[[Read, int], Array]:
        """The check of a quantity's stored blocks, made once in each worker."""
        if quantity not in self.checks:
            self.checks[quantity] = QUANTITIES[quantity].stored_check(self.context)
        return self.checks[quantity]


def write_block(context: Context, store: Store, quantity: str, block: int) -> None:
    """Compute, check and write one block; its last chunk is the receipt that all is on the disk."""
    for name, region, data in QUANTITIES[quantity].compute(context, block):
        store.write(name, region, data)


def read_back_block(check: Callable[[Read, int], Array], store: Store, quantity: str, block: int) -> None:
    """Check what the store holds of a block: so storing and placing are checked too. What is found is its receipt."""
    record = QUANTITIES[quantity]
    store.write(record.read_back, record.rows(store.plan, block), check(store.read, block))


def _plugin() -> WorkerContext:
    from distributed import get_worker

    plugin: WorkerContext = get_worker().plugins[WorkerContext.name]
    return plugin


def compute_task(quantity: str, block: int) -> None:
    """Compute a block, on a worker that has its `WorkerContext`."""
    plugin = _plugin()
    assert plugin.store is not None
    write_block(plugin.context, plugin.store, quantity, block)


def read_back_task(quantity: str, block: int) -> None:
    """Read a block back, on such a worker."""
    plugin = _plugin()
    assert plugin.store is not None
    read_back_block(plugin.check_of(quantity), plugin.store, quantity, block)


@dataclass(frozen=True)
class Stage:
    """What is done to each block in turn.

    Attributes
    ----------
    name : str
    task : (quantity, block) -> None
        What a worker does.
    receipts : Receipts
    """

    name: str
    task: Callable[[str, int], None]
    receipts: Receipts

    def is_done(self, store: Store, quantity: str, block: int) -> bool:
        """Whether all of a block's receipts are on the disk."""
        chunks = self.receipts(QUANTITIES[quantity], store.plan, block)
        return all(store.is_whole(name, indices) for name, indices in chunks)

    def missing(self, store: Store) -> list[Block]:
        """The blocks for which it is not done."""
        found = []
        for name in store.plan.quantities:
            done = store.done(name, self.receipts)
            found += [(name, block) for block, there in enumerate(done.tolist()) if not there]
        return found


COMPUTE = Stage("computed", compute_task, all_chunks)
READ_BACK = Stage("read back", read_back_task, lambda record, plan, block: [record.read_back_chunk(plan, block)])
