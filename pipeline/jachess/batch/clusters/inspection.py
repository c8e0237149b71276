"""Looking at a cluster file, and trying it, without a job."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict

from jachess.batch.clusters.file import ClusterFile
from jachess.batch.clusters.lost import ClusterLost
from jachess.batch.clusters.preflight import check_workers
from jachess.batch.clusters.settings import settings
from jachess.batch.clusters.started import script
from jachess.batch.clusters.workers import engaged
from jachess.errors import JobError


def show(file: ClusterFile) -> str:
    """What a cluster file comes to: its keys, and for a queue the script of its jobs, as the site's settings make it.

    Raises
    ------
    JobError
        If the class does not take the arguments.
    """
    lines = [
        f"{key:<16} {value if isinstance(value, str) else json.dumps(value)}" for key, value in asdict(file).items()
    ]
    with settings():
        text = None if file.cluster is None else script(file)
    return "\n".join(lines) if text is None else "\n".join([*lines, "script", text.rstrip()])


def check(file: ClusterFile, place: str) -> Iterator[str]:
    """Start it, ask its workers what a run would ask them, and close it; a line for each thing that is all right.

    Parameters
    ----------
    place : path or URL
        Where a result would go.

    Raises
    ------
    JobError
        With what is not.
    """
    started = time.monotonic()
    try:
        with settings(), engaged(file) as client:
            yield f"workers   {len(client.nthreads())} after {time.monotonic() - started:.1f} s"
            check_workers(client, file.source, 0, place)
            yield "versions  the same on all of them as here"
            yield f"storage   what a worker writes beside {place} is read here"
    except ClusterLost as error:
        raise JobError(f"{file.source}: the cluster is lost ({error}). Look at the workers' logs.") from error
