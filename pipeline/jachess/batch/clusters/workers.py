"""The workers of a run, ready for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from distributed import Client

from jachess.batch.clusters.choice import chosen
from jachess.batch.clusters.file import ClusterFile
from jachess.batch.clusters.local import check_not_login_node, local
from jachess.batch.clusters.lost import ClusterLost, closing
from jachess.batch.clusters.preflight import check_workers
from jachess.batch.clusters.settings import settings
from jachess.batch.clusters.started import started
from jachess.batch.clusters.submission import Submissions
from jachess.batch.job import Job
from jachess.batch.progress import tell
from jachess.errors import JobError

_SAID = 60.0
"""Seconds between two words on waiting."""


@contextmanager
def workers(job: Job, memory: int, *, writing: bool = True) -> Iterator[Client]:
    """A client of the job's workers; what is started here is also stopped here, and nothing else.

    Parameters
    ----------
    memory : int
        Bytes that each worker may use at least: local ones get as much, others are asked whether they may.
    writing : bool
        Whether they must be able to write where the job's result goes.

    Raises
    ------
    JobError
        If the cluster file or the scheduler's address does not work, or the workers cannot do what is needed.
    ClusterLost
        If workers die as they start.
    """
    with settings():
        file = chosen(job)
        if file is None:
            check_not_login_node(job)
            with closing(local(job, memory)) as cluster, closing(_client(cluster)) as client:
                yield client
            return
        with ExitStack() as stack:
            client = stack.enter_context(engaged(file))
            check_workers(client, file.source, memory, job.out if writing else None)
            yield client


@contextmanager
def engaged(file: ClusterFile) -> Iterator[Client]:
    """A client of the cluster or scheduler of a file, when so many workers are there as it says.

    Raises
    ------
    JobError, ClusterLost
        As for `workers`.
    """
    if file.scheduler is not None:
        with closing(_connected(file)) as client:
            _await_workers(client, file, Submissions())
            yield client
        return
    with started(file) as (cluster, submissions), closing(_client(cluster)) as client:
        _await_workers(client, file, submissions)
        yield client


def _client(cluster: object) -> Client:
    try:
        return Client(cluster)
    except (OSError, RuntimeError) as error:
        raise ClusterLost(f"{type(error).__name__}: {error}") from error


def _connected(file: ClusterFile) -> Client:
    address = str(file.scheduler)
    try:
        return Client(**{"scheduler_file" if address.endswith(".json") else "address": address}, timeout="20s")
    except (OSError, RuntimeError, TypeError, ValueError) as error:  # TypeError: tls without a certificate
        remedy = "Start it, or name another one: scheduler."
        if "tls" in f"{address} {error}".lower():
            remedy = "Name its certificate in Dask's settings distributed.comm.tls: ca-file, client.cert, client.key."
        raise JobError(f"{file.source}: no Dask scheduler answers at {address} ({error}). {remedy}") from error


def _await_workers(client: Client, file: ClusterFile, submissions: Submissions) -> None:
    """Wait for workers, or for what the queue says instead.

    Raises
    ------
    JobError
        If the queue takes no jobs, or the time is over.
    """
    begun = said = time.monotonic()
    while (count := _count(client)) < file.wait_for_workers:
        if submissions.refused:
            raise JobError(f"{file.source}: no workers ({submissions.refused[0]}).")
        now = time.monotonic()
        if file.timeout is not None and now - begun > file.timeout:
            raise JobError(
                f"{file.source}: workers did not come within {file.timeout:.0f} s (wanted {file.wait_for_workers}; got "
                f"{count}). Look at the queue and at the workers' logs, or allow more: timeout."
            )
        if now - said > _SAID:
            said = now
            tell(f"waiting for workers for {now - begun:.0f} s: {count} of {file.wait_for_workers} are there.")
        time.sleep(0.05)


def _count(client: Client) -> int:
    try:
        return len(client.nthreads())
    except (OSError, TimeoutError) as error:
        raise ClusterLost("the scheduler does not answer") from error
