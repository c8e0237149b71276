"""What workers do: compute a block, check it, write it, the receipt last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distributed import WorkerPlugin
from threadpoolctl import threadpool_limits

from jachess.batch.quantities import QUANTITIES, Context
from jachess.batch.store import Store


class WorkerContext(WorkerPlugin):  # type: ignore[misc]
    """Brings network, points and plan to each worker once, also to one that was started again."""

    name = "jachess"

    def __init__(self, context: Context, path: Path) -> None:
        self.context, self.path = context, path
        self.store: Store | None = None

    def setup(self, worker: Any) -> None:
        """Open the store when the worker starts; let each worker use one core."""
        threadpool_limits(1)
        self.store = Store(self.path)


def write_block(context: Context, store: Store, quantity: str, block: int) -> None:
    """Compute, check and write one block; its last chunk is the receipt that all is on the disk."""
    for name, region, data in QUANTITIES[quantity].compute(context, block):
        store.write(name, region, data)


def run_block(quantity: str, block: int) -> None:
    """The task of one block, on a worker that has its `WorkerContext`."""
    from distributed import get_worker

    plugin = get_worker().plugins[WorkerContext.name]
    write_block(plugin.context, plugin.store, quantity, block)


def is_done(store: Store, quantity: str, block: int) -> bool:
    """Whether all chunks of a block are on the disk."""
    return all(store.is_whole(name, indices) for name, indices in QUANTITIES[quantity].chunks(store.plan, block))
