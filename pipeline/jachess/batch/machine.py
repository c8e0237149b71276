"""What the machine at hand can give."""

from __future__ import annotations

from pathlib import Path

from jachess.batch.clusters import n_workers, names_others
from jachess.batch.job import Job
from jachess.batch.plan import Plan
from jachess.batch.planning import size, task_memory
from jachess.errors import PlanError


def check_memory(job: Job, plan: Plan) -> int:
    """Bytes that each local worker gets.

    Raises
    ------
    PlanError
        If so many workers do not fit this machine.
    """
    wanted, count = max(job.memory or 0, task_memory(plan)), n_workers(job)
    if job.memory is not None and task_memory(plan) > job.memory:
        raise PlanError(
            f"memory: the blocks that {job.out} was begun with need more (wanted {size(task_memory(plan))} a worker; "
            f"got {size(job.memory)}). Allow more, or start again in another place."
        )
    free = _free_memory()
    if not names_others(job) and free is not None and task_memory(plan) * count > free:
        raise PlanError(
            f"memory: {count} workers do not fit this machine (wanted {size(task_memory(plan))} each; "
            f"got {size(free)} free in all). Use fewer workers, or less memory for each: --workers, --memory."
        )
    return wanted


def _free_memory() -> int | None:
    """Bytes that are free on this machine, where it tells."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
