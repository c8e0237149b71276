"""What workers do with a block: compute, check and write it, the receipt last; later read it back and check again."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from distributed import WorkerPlugin
from threadpoolctl import threadpool_limits

from jachess.batch.measure import PARTS, Clock, each_timed, measured, timed
from jachess.batch.quantities import QUANTITIES, WORKS, Context, checks_of
from jachess.batch.quantities.array_spec import Region
from jachess.batch.quantities.dispatch import block_writes, read_back_check
from jachess.batch.quantities.record import Read, Write
from jachess.batch.store import Store
from jachess.errors import ChunkError
from jachess.network.graph import Array

StoredCheck = Callable[[Read, int], Array]
"""Gives the residuals of a stored block."""

Block = tuple[str, int]
"""Name of a quantity, or of another work, and number of the block."""

Blocks = Sequence[int]
"""Numbers of the blocks of a quantity that one task takes."""


class WorkerContext(WorkerPlugin):  # type: ignore[misc]
    """Brings network, points and plan to each worker once, also to one that was started again.

    Its name is that of one run alone: on a scheduler that serves several, none may meet the network of another.
    """

    def __init__(self, context: Context, out: str) -> None:
        self.name = f"jachess-{uuid.uuid4().hex}"
        self.context, self.out = context, out
        self.store: Store | None = None
        self.checks: dict[str, StoredCheck] = {}
        self.validations: dict[str, StoredCheck] = {}

    def setup(self, worker: Any) -> None:
        """Open the store when the worker starts; let each worker use one core."""
        self.limits = threadpool_limits(1)
        # a worker that is being closed has nothing to say of its last heartbeat
        logging.getLogger("tornado.application").setLevel(logging.CRITICAL)
        self.store = Store(self.out)

    def teardown(self, worker: Any) -> None:
        """The worker may be a guest in a process that has other work to do."""
        self.limits.restore_original_limits()

    def check_of(self, quantity: str) -> StoredCheck:
        """The check of a quantity's stored blocks in a run, made once in each worker."""
        if quantity not in self.checks:
            assert self.store is not None
            self.checks[quantity] = read_back_check(QUANTITIES[quantity], self.context, _reading(self.store))
        return self.checks[quantity]

    def validation_of(self, name: str) -> StoredCheck:
        """The check of that name in a validation, made once in each worker."""
        if name not in self.validations:
            self.validations[name] = checks_of(self.context.plan)[name][1].stored_check(self.context)
        return self.validations[name]


def write_blocks(context: Context, store: Store, quantity: str, blocks: Blocks) -> int:
    """Compute, check and write blocks; the receipts, written last, prove that all is on the disk.

    Returns
    -------
    int
        Bytes written.
    """
    record, receipts, n_bytes, read = WORKS[quantity], list[Write](), 0, _reading(store)

    def all_but_receipts() -> Iterator[Write]:
        nonlocal n_bytes
        for block in blocks:
            for write in each_timed(PARTS[0], block_writes(record, context, read, block)):
                n_bytes += write[2].nbytes
                if write[0] == record.receipt:
                    receipts.append(write)
                else:
                    yield write

    with timed("writing"):
        store.write(all_but_receipts())
        store.write(receipts)
    return n_bytes


def read_back_blocks(check: StoredCheck, store: Store, quantity: str, blocks: Blocks) -> int:
    """Check what the store holds of blocks: so storing and placing are checked too. What is found is their receipt.

    Returns
    -------
    int
        Bytes written.
    """
    record, read = QUANTITIES[quantity], _reading(store)
    found = [(record.read_back, record.rows(store.plan, block), check(read, block)) for block in blocks]
    with timed("writing"):
        store.write(found)
    return sum(residuals.nbytes for _, _, residuals in found)


def _reading(store: Store) -> Read:
    def read(name: str, region: Region) -> Array:
        try:
            return store.read(name, region)
        except ChunkError as error:  # of no use to anybody: once it is gone, it counts as missing and is computed again
            store.remove(error.chunks)
            raise

    return read


def compute_task(run: str, stage: str, quantity: str, blocks: Blocks) -> None:
    """Compute blocks, on a worker that has the `WorkerContext` of that name."""
    with _reported(run, stage, quantity, blocks, PARTS[0]) as (plugin, store, clock):
        clock.n_bytes = write_blocks(plugin.context, store, quantity, blocks)


def read_back_task(run: str, stage: str, quantity: str, blocks: Blocks) -> None:
    """Read blocks back, on such a worker."""
    with _reported(run, stage, quantity, blocks, "checks") as (plugin, store, clock):
        clock.n_bytes = read_back_blocks(plugin.check_of(quantity), store, quantity, blocks)


def residuals_task(run: str, name: str, block: int) -> Array:
    """Residuals of a stored block, on such a worker; nothing is written."""
    from distributed import get_worker

    plugin: WorkerContext = get_worker().plugins[run]
    assert plugin.store is not None
    return np.asarray(plugin.validation_of(name)(plugin.store.read, block))


@contextmanager
def _reported(
    run: str, stage: str, quantity: str, blocks: Blocks, part: str
) -> Iterator[tuple[WorkerContext, Store, Clock]]:
    """Tell whoever follows the run that a task begins, and what was measured when it is done.

    The reports go before word that the task is done, and nobody waits for them.
    """
    from distributed import get_worker

    worker = get_worker()
    plugin: WorkerContext = worker.plugins[run]
    assert plugin.store is not None
    worker.log_event(run, {"began": worker.get_current_task()})
    with measured(part) as clock:
        yield plugin, plugin.store, clock
    worker.log_event(run, {"stage": stage, "quantity": quantity, "blocks": list(blocks), **clock.reading()})
