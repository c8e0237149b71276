"""Residuals of what a store holds, block by block: in threads of this process, or on a cluster. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
from distributed.scheduler import KilledWorker

from jachess.backprop.parallel import map_all
from jachess.batch.clusters import ClusterLost, workers
from jachess.batch.compute import equipped
from jachess.batch.job import Job
from jachess.batch.quantities import Context, checks_of
from jachess.batch.store import Store
from jachess.batch.tasks import residuals_task
from jachess.errors import IncompleteError
from jachess.network.graph import Array

Residuals = Callable[[str], Iterator[Array]]
"""Gives the residuals of all blocks in order, for a check by its name."""

AT_ONCE = 1000
"""Blocks that the scheduler knows of."""
RETRIES = 2


@contextmanager
def residuals_here(context: Context, store: Store) -> Iterator[Residuals]:
    """On the cores of this machine, in this process."""

    def residuals(name: str) -> Iterator[Array]:
        record, check = checks_of(store.plan)[name]
        of_block = check.stored_check(context)
        return map_all(lambda block: np.asarray(of_block(store.read, block)), range(record.n_blocks(store.plan)))

    yield residuals


@contextmanager
def residuals_on_workers(context: Context, store: Store, job: Job, memory: int) -> Iterator[Residuals]:
    """On the workers that a job asks for.

    Raises
    ------
    IncompleteError
        If they die.
    """
    try:
        with workers(job, memory, writing=False) as client, equipped(client, context, store) as run:

            def residuals(name: str) -> Iterator[Array]:
                n_blocks = checks_of(store.plan)[name][0].n_blocks(store.plan)
                for start in range(0, n_blocks, AT_ONCE):
                    blocks = range(start, min(start + AT_ONCE, n_blocks))
                    task = partial(residuals_task, run, name)
                    yield from client.gather(client.map(task, blocks, pure=False, retries=RETRIES))

            yield residuals
    except (ClusterLost, KilledWorker) as error:
        raise IncompleteError(f"{store.storage}: workers were lost ({error}). Repeat the command.") from error
