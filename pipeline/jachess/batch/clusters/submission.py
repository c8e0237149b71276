"""Jobs of a queue, as dask_jobqueue submits them: what the queue says is heard, and an outage is waited for.

Dask's own cluster logs a failed submission and forgets the job for ever.
"""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass, field
from typing import Any

from jachess.batch.progress import tell
from jachess.errors import JobError

PAUSE = 30.0
"""Seconds between two tries to submit."""


@dataclass
class Submissions:
    """What became of a cluster's submissions.

    Attributes
    ----------
    refused : list of str
        What the queue said of jobs that it did not take, before it took any.
    """

    refused: list[str] = field(default_factory=list)
    accepted: int = 0
    closing: bool = False

    def job_class(self, job_class: type) -> type:
        """A dask_jobqueue job whose submission is told here, and repeated once the queue is known to take such jobs."""
        submissions, base = self, job_class

        class Submitted(base):  # type: ignore[misc, valid-type]
            async def _submit_job(self, script_filename: str) -> Any:
                while True:
                    try:
                        told = await super()._submit_job(script_filename)
                    except (RuntimeError, OSError) as error:
                        if not submissions.accepted:
                            submissions.refused.append(words(error))
                            raise
                        tell(f"{words(error)} It is tried again in {PAUSE:.0f} s.")
                    else:
                        submissions.accepted += 1
                        return told
                    for _ in range(int(PAUSE)):
                        if submissions.closing:
                            raise RuntimeError("the cluster is being closed")
                        await asyncio.sleep(1)

        return Submitted


def words(error: Exception) -> str:
    """What the queue's command said, out of what dask_jobqueue makes of it."""
    said = str(error).rpartition("stderr:")[2].strip() if isinstance(error, RuntimeError) else ""
    return " ".join(said.split()) or f"{type(error).__name__}: {error}"


def check_script(cluster: Any, source: str) -> None:
    """Ask SLURM whether it would take a cluster's jobs, without submitting one; other queues cannot be asked.

    Raises
    ------
    JobError
        With SLURM's own words.
    """
    if cluster.job_cls.submit_command.split()[0] != "sbatch":
        return
    asked, script = ["sbatch", "--test-only"], cluster.job_script()
    try:
        done = subprocess.run(asked, input=script, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError as error:
        raise JobError(f"{source}: there is no sbatch here. Start the run where jobs are submitted.") from error
    except subprocess.TimeoutExpired as error:
        raise JobError(f"{source}: SLURM does not answer (sbatch --test-only). Try again later.") from error
    if done.returncode:
        raise JobError(f"{source}: SLURM refuses such a job ({' '.join(done.stderr.split())}). Change 'arguments'.")
