"""Worker processes on this machine, unless it seems to be one that jobs are only submitted from."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from distributed import LocalCluster

from jachess.backprop.parallel import n_cores
from jachess.batch.clusters.lost import ClusterLost
from jachess.batch.job import Job
from jachess.errors import JobError

_QUEUES = (
    ("SLURM", "sbatch", "SLURM_CONF", "/etc/slurm/slurm.conf", "SLURM_JOB_ID"),
    ("PBS", "qsub", "PBS_CONF_FILE", "/etc/pbs.conf", "PBS_JOBID"),
    ("LSF", "bsub", "LSF_ENVDIR", None, "LSB_JOBID"),
    ("Grid Engine", "qsub", "SGE_ROOT", None, "JOB_ID"),
    ("HTCondor", "condor_submit", "CONDOR_CONFIG", "/etc/condor/condor_config", "_CONDOR_JOB_AD"),
)
"""Name, command that submits, variable or file that tells of its configuration, variable inside of jobs."""


def n_workers(job: Job) -> int:
    """How many local workers a job gets: as asked, or one for each core; one if its places are in this process."""
    if job.in_process:
        return 1
    return job.workers or n_cores()


def check_not_login_node(job: Job) -> None:
    """Refuse to compute, without being asked to, where jobs of a queue are submitted: others work there too.

    Raises
    ------
    JobError
        If this machine submits to a queue, we are in none of its jobs, and the job does not say how many workers.
    """
    if job.workers is not None or job.in_process:
        return
    for name, command, variable, file, inside in _QUEUES:
        configured = variable in os.environ or (file is not None and Path(file).exists())
        if configured and shutil.which(command) and inside not in os.environ:
            raise JobError(
                f"workers: this machine submits jobs to {name}, and this is not one of them. Name a cluster file "
                "(--cluster), or say how many processes may work here (--workers N)."
            )


def local(job: Job, memory: int) -> LocalCluster:
    """Workers of ``memory`` bytes each, seen from this machine alone.

    Raises
    ------
    ClusterLost
        If they die as they start.
    """
    processes = {"host": "127.0.0.1", "n_workers": n_workers(job), "memory_limit": memory}
    in_process = {"processes": False, "n_workers": 1, "memory_limit": 0}  # it has no end of its own to be killed at
    try:
        return LocalCluster(
            **(in_process if job.in_process else processes),
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",  # any free port
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError) as error:  # a worker that was killed as it started, no room for its folder
        raise ClusterLost(f"{type(error).__name__}: {error}") from error
