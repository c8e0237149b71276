"""What workers are asked before they get any work: versions, memory, and whether they reach the place of the result."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from distributed import Client, Future, wait

from jachess.batch.clusters.lost import ClusterLost
from jachess.batch.planning import size
from jachess.batch.prepare import versions
from jachess.batch.storage import absolute, storage_of
from jachess.batch.storage.trial import TRIAL, read_trial, write_trial
from jachess.errors import JobError

_ANSWER = 60.0
"""Seconds that workers are given to answer."""


def check_workers(client: Client, source: str, memory: int, place: str | None) -> None:
    """See that all workers of the moment compute as we do, may use the memory, and one of them writes what we read.

    Parameters
    ----------
    place : path or URL, optional
        Where the result goes; without it nothing is written.

    Raises
    ------
    JobError
        If they do not: it says what is wrong with which worker.
    ClusterLost
        If they do not answer.
    """
    addresses = sorted(client.nthreads())
    if not addresses:
        raise ClusterLost("all workers are gone")
    _check_memory(client, source, memory)
    problems = [*_versions(client, source, addresses)]
    if problems:
        raise JobError.of(problems)
    if place is not None:
        _check_place(client, source, addresses[0], place)


def _check_place(client: Client, source: str, address: str, place: str) -> None:
    """See that what a worker writes beside a result is seen here."""
    beside = storage_of(f"{absolute(place)}{TRIAL}{uuid.uuid4().hex}")
    try:
        try:
            host = _answer(client.submit(write_trial, str(beside), workers=[address], pure=False))
        except (ClusterLost, JobError):
            raise
        except Exception as error:
            raise JobError(
                f"{source}: worker {address} cannot write beside {place} ({type(error).__name__}: {error}). "
                "All workers must reach that place under the same name."
            ) from error
        if not read_trial(beside):
            raise JobError(
                f"{source}: what worker {address} on {host} writes beside {place} is not seen here. The result "
                "must lie on storage that all machines share."
            )
    finally:
        if beside.exists():
            beside.remove()


def _check_memory(client: Client, source: str, memory: int) -> None:
    """See that each worker may use what the plan needs for each of its threads."""
    found = client.scheduler_info(n_workers=-1)["workers"]
    short = {a: w for a, w in found.items() if 0 < (w["memory_limit"] or 0) < memory * w["nthreads"]}
    if short:
        address, worker = next(iter(short.items()))
        raise JobError(
            f"{source}: {len(short)} of {len(found)} workers have too little memory (wanted {size(memory)} for each "
            f"thread; got {size(worker['memory_limit'])} for {worker['nthreads']} at {address}). "
            "Give them more, or cut the job smaller: --memory."
        )


def _versions(client: Client, source: str, addresses: list[str]) -> Iterator[str]:
    """What differs on workers."""
    ours = versions()
    asked = {a: client.submit(versions, workers=[a], pure=False, key=f"versions-{uuid.uuid4().hex}") for a in addresses}
    for address, future in asked.items():
        try:
            theirs: Mapping[str, Any] = _answer(future)
        except ClusterLost:
            raise
        except Exception as error:  # there is no jachess, say
            yield f"{source}: worker {address} cannot be asked for its versions ({type(error).__name__}: {error})."
            continue
        differing = [f"{name} {theirs[name]}, here {ours[name]}" for name in ours if theirs[name] != ours[name]]
        if differing:
            yield f"{source}: worker {address} has other versions ({'; '.join(differing)}). Install the same."


def _answer(future: Future) -> Any:
    """A task's result.

    Raises
    ------
    ClusterLost
        If it does not come in time.
    """
    try:
        wait(future, timeout=_ANSWER)
    except TimeoutError as error:
        raise ClusterLost("workers do not answer") from error
    return future.result(timeout=_ANSWER)
