"""Bringing the published version of a result up to date: fingerprint, compute, validate, publish, prune.

It may die between any two steps: a version that is half computed is finished by the next call, and ``latest`` leads to
a version that passed all checks at every moment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from jachess.batch.job import Job
from jachess.batch.prepare import Prepared
from jachess.batch.run import Outcome, plan_job, run_job
from jachess.errors import InputError, JobError
from jachess.publish.versions import Versions, fingerprint


@dataclass(frozen=True)
class Publication:
    """What a call of `publish` did.

    Attributes
    ----------
    version : str
        Of the job as it is now.
    changed : bool
        Whether it was not the published one before.
    published : bool
        Whether it is now: it is not if a check failed.
    previous : str or None
        The version that was published before.
    pruned : tuple of str
        Versions that were removed.
    outcome : Outcome
        Of the run.
    """

    version: str
    changed: bool
    published: bool
    previous: str | None
    pruned: tuple[str, ...]
    outcome: Outcome


def publish(
    job: Job, place: str, *, keep: int | None = None, checksums: bool = False, report: str | None = None
) -> Publication:
    """Compute a job as a version at a place, unless it is there, and publish it if all of its checks passed.

    Parameters
    ----------
    job : Job
        Its own ``out`` does not count; what it is confined to counts for the place.
    place : path or URL
        Where versions are kept.
    keep : int, optional
        How many versions stay; all by default. The published one always does.
    checksums, report
        As for `run_job`.

    Raises
    ------
    InputError
        If the job or the place is refused: nothing has been written.
    IncompleteError
        If another run is at work there, or blocks are missing in the end; the same call resumes.
    """
    versions = Versions(place)
    prepared = _checked(job, versions, keep)
    id = fingerprint(prepared.plan)
    versions.create()
    with versions.lease():
        previous, here = versions.published(), replace(job, out=str(versions.storage(id)))
        outcome = run_job(here, checksums=checksums, report=report, prepared=prepared)
        passed = outcome.verdict.passed
        if passed and previous != id:
            versions.publish(id)
        gone = versions.prune(keep, id) if keep is not None else []
        return Publication(id, previous != id, passed, previous, tuple(gone), outcome)


def _checked(job: Job, versions: Versions, keep: int | None) -> Prepared:
    """The job, with everything that is wrong with it and with the place of its versions."""
    problems = []
    if keep is not None and keep < 1:
        problems.append(f"--keep: at least the published version stays (wanted 1 or more; got {keep}). Keep more.")
    try:
        versions.check()
    except InputError as error:
        problems.append(str(error))
    try:
        prepared = plan_job(replace(job, out=versions.place))
    except InputError as error:
        problems.append(str(error))
    if problems:
        raise JobError.of(problems)
    return prepared
