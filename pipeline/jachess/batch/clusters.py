"""Workers: local processes by default, or the cluster that the job names."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster

from jachess.backprop.parallel import n_cores
from jachess.batch.job import Job
from jachess.batch.plain_yaml import read_yaml_file
from jachess.errors import JobError

_CONFIG = {
    "distributed.scheduler.allowed-failures": 0,  # deaths of workers are counted by us, who know who was near
    "distributed.scheduler.worker-ttl": "15 minutes",  # long matrix products may hold a worker's event loop
    "distributed.worker.memory.target": False,  # results are tiny: there is nothing to spill
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,  # a worker that keeps its memory between blocks would never go on
    "distributed.worker.memory.terminate": 0.97,
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.worker.profile.enabled": False,
    # Dask's own choice, 64 KiB, hands memory back at every chance: a third of the time goes to having it mapped again
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 1 << 26,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 1 << 25,
    "distributed.comm.retry.count": 3,
    "distributed.deploy.lost-worker-timeout": "7 days",  # by default a worker that takes 15 s to come back is sent away
    "distributed.admin.large-graph-warning-threshold": "1MB",
}
_LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application")


class ClusterLost(Exception):
    """There is no cluster any more, or it did not come to life: another is to be started."""


def n_workers(job: Job) -> int:
    """How many local workers a job gets: as asked, or one for each core; one if its places are in this process."""
    if job.in_process:
        return 1
    return job.workers or n_cores()


@contextmanager
def workers(job: Job, memory: int) -> Iterator[Client]:
    """A client of the job's workers; what is started here is also stopped here, and nothing else.

    Parameters
    ----------
    memory : int
        Bytes that each local worker may use.

    Raises
    ------
    JobError
        If the cluster file or the scheduler's address does not work.
    ClusterLost
        If local workers die as they start.
    """
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of a worker's death we say ourselves
    with dask.config.set({**_CONFIG, "distributed.logging": dict.fromkeys(_LOGGERS, "critical")}):
        if job.scheduler is not None:
            with _closing(_connected(job.scheduler)) as client:
                yield client
            return
        with _closing(_from_file(Path(job.cluster)) if job.cluster is not None else _local(job, memory)) as cluster:
            try:
                client = Client(cluster)
            except (OSError, RuntimeError) as error:
                raise ClusterLost(f"{type(error).__name__}: {error}") from error
            with _closing(client):
                yield client


@contextmanager
def _closing(thing: Any) -> Iterator[Any]:
    """Close it in the end; what it then complains about, if it was lost or its workers were, concerns nobody."""
    try:
        yield thing
    finally:
        with suppress(Exception):
            thing.close()


def _connected(address: str) -> Client:
    try:
        return Client(address, timeout="20s")
    except (OSError, ValueError) as error:
        raise JobError(f"scheduler: no Dask scheduler answers at {address} ({error}).") from error


def _local(job: Job, memory: int) -> LocalCluster:
    local = {"host": "127.0.0.1", "n_workers": n_workers(job), "memory_limit": memory}
    in_process = {"processes": False, "n_workers": 1, "memory_limit": 0}  # it has no end of its own to be killed at
    try:
        return LocalCluster(
            **(in_process if job.in_process else local),
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",  # any free port, and seen from this machine alone
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError) as error:  # a worker that was killed as it started, no room for its folder
        raise ClusterLost(f"{type(error).__name__}: {error}") from error


def read_cluster_file(path: Path) -> dict[str, Any]:
    """A cluster file: ``cluster`` (import path of a class), its ``arguments``, and the number of ``workers``.

    Raises
    ------
    JobError
        If there is none, or it is not of this form.
    """
    given = read_yaml_file(path, "cluster file")
    if not isinstance(given, dict) or set(given) - {"cluster", "arguments", "workers"} or "cluster" not in given:
        raise JobError(f"{path}: wrong keys (wanted cluster, arguments, workers; got {given}).")
    if not isinstance(given.get("arguments", {}), dict) or not isinstance(given.get("workers", 1), int):
        raise JobError(f"{path}: wrong values (wanted a mapping of arguments and a number of workers; got {given}).")
    return given


def _from_file(path: Path) -> Any:
    given = read_cluster_file(path)
    module, _, name = str(given["cluster"]).rpartition(".")
    try:
        cluster = getattr(importlib.import_module(module), name)(**given.get("arguments", {}))
        if not hasattr(cluster, "scheduler_address"):
            raise TypeError(f"{given['cluster']} is no Dask cluster")
        if "workers" in given:
            cluster.scale(given["workers"])
    except Exception as error:  # whatever a site's cluster class raises
        raise JobError(f"{path}: the cluster cannot be started ({type(error).__name__}: {error}).") from error
    return cluster
