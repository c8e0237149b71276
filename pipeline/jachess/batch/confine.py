"""Jobs from others: every place that they name must lie inside one folder, also where links lead.

What changes between this check and the reading is not seen: nobody else may write in the folder meanwhile. A cluster
file, inside as well, starts whatever it says.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from jachess.batch.job import Job
from jachess.batch.storage import is_url
from jachess.errors import JobError


def check_confined(job: Job) -> None:
    """Refuse a job that is confined to a folder and names a place outside; nothing but names and links is looked at.

    Raises
    ------
    JobError
        With every such place.
    """
    if job.confine is None:
        return
    folder = Path(job.confine).resolve()
    if not folder.is_dir():
        raise JobError(f"confine: there is no such folder ({job.confine}).")
    problems = [
        f"{name}: leads out of the folder that the job is confined to (wanted inside {folder}; got {place}). "
        "Put it there, or run the job without --confine."
        for name, place in _places(job)
        if is_url(place) or not _is_inside(Path(place), folder)
    ]
    if problems:
        raise JobError.of(problems)


def _places(job: Job) -> Iterator[tuple[str, str]]:
    yield "network", job.network
    for name, place in job.points:
        yield ("points" if name is None else f"points of '{name}'"), place
    yield "out", job.out
    for name, optional in (("targets", job.targets), ("cluster", job.cluster), ("extends", job.extends)):
        if optional is not None:
            yield name, optional


def _is_inside(place: Path, folder: Path) -> bool:
    """Whether a place, the folder it is named in, and for a folder all links below it, are inside."""
    try:
        every = chain((place, place.parent), _links(place))  # links below it last: no folder outside is gone through
        return all(_resolved(each).is_relative_to(folder) for each in every)
    except (OSError, RuntimeError, ValueError):  # a circle of links, or a name that no file can have
        return False


def _resolved(place: Path) -> Path:
    """Where the links of a place lead, whether or not there is anything."""
    try:
        return place.resolve(strict=True)
    except OSError as error:
        if error.errno == errno.ELOOP:  # which Python from 3.13 on takes for any other name, unless it is strict
            raise
        return place.resolve()


def _links(place: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(place):
        for name in (*folders, *files):
            path = Path(root, name)
            if path.is_symlink():
                yield path
