"""Dask's settings for our work, here and on the workers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dask

ALLOCATOR = {
    # Dask's own choice, 64 KiB, hands memory back at every chance: a third of the time goes to having it mapped again
    "MALLOC_TRIM_THRESHOLD_": 1 << 26,
    "MALLOC_MMAP_THRESHOLD_": 1 << 25,
}
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # deaths of workers are counted by us, who know who was near
    "distributed.scheduler.worker-ttl": "15 minutes",  # long matrix products may hold a worker's event loop
    "distributed.worker.memory.target": False,  # results are tiny: there is nothing to spill
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,  # a worker that keeps its memory between blocks would never go on
    "distributed.worker.memory.terminate": 0.97,
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.worker.profile.enabled": False,
    "distributed.comm.retry.count": 3,
    "distributed.deploy.lost-worker-timeout": "7 days",  # by default a worker that takes 15 s to come back is sent away
    "distributed.admin.large-graph-warning-threshold": "1MB",
}
_LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application", "asyncio")


@contextmanager
def settings() -> Iterator[None]:
    """Our settings, for as long as this lasts; what matters of a worker's death we say ourselves."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # with a traceback it tells of messages to us that come when we have closed: a run that ends early is told once
    logging.getLogger("distributed.scheduler").setLevel(logging.CRITICAL + 1)
    allocator = {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in ALLOCATOR.items()}
    with dask.config.set({**_SETTINGS, **allocator, "distributed.logging": dict.fromkeys(_LOGGERS, "critical")}):
        yield


def environment(further: Mapping[str, Any]) -> dict[str, str]:
    """Variables that carry our settings, and further ones, to workers which a queue starts."""
    variables = {
        "DASK_" + key.replace(".", "__").replace("-", "_").upper(): str(value)
        for key, value in {**_SETTINGS, **further}.items()
    }
    return {**variables, **{name: str(value) for name, value in ALLOCATOR.items()}}
