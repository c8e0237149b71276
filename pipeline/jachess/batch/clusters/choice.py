"""Which workers a job gets."""

from __future__ import annotations

import dask

from jachess.batch.clusters.file import ClusterFile, read_cluster_file
from jachess.batch.job import Job


def chosen(job: Job) -> ClusterFile | None:
    """The cluster or scheduler that the job names, or else the environment (DASK_SCHEDULER_ADDRESS); None: local ones.

    Raises
    ------
    JobError
        If the cluster file is wrong.
    """
    if job.cluster is not None:
        return read_cluster_file(job.cluster)
    if job.scheduler is not None:
        return ClusterFile("scheduler", scheduler=job.scheduler)
    address = dask.config.get("scheduler-address", None)
    if address is not None and not job.in_process:
        return ClusterFile("DASK_SCHEDULER_ADDRESS", scheduler=address)
    return None


def names_others(job: Job) -> bool:
    """Whether its workers are not this command's own."""
    return chosen(job) is not None


def absence(job: Job) -> float:
    """Seconds for which a job's cluster may be without workers, beyond what any may."""
    file = chosen(job)
    return 0.0 if file is None else file.timeout or 0.0
