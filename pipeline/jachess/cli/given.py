"""The job that a command is given."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from jachess.cli.arguments import QUANTITIES
from jachess.errors import JobError

if TYPE_CHECKING:
    from jachess.batch.job import Job

_KEYS = ("network", "points", "targets", "error", "out", "extends", "dtype", "triangle", "memory", "workers", "cluster",
         "scheduler", "input", "output", "method", "confine", "patience")  # fmt: skip


def lasting_job(options: argparse.Namespace) -> Job:
    """The job, whose result must outlive the command."""
    job = job_of_options(options)
    if job.in_process:
        raise JobError("memory:// ends with this command. Choose a place that stays.")
    return job


def job_of_options(options: argparse.Namespace) -> Job:
    """The job of the file, the flags and --set, in this order."""
    from jachess.batch.job import job_of, load_job
    from jachess.batch.plain_yaml import read_yaml

    changes = {key: getattr(options, key) for key in _KEYS if getattr(options, key) is not None}
    wanted = [name for name in QUANTITIES if getattr(options, name)]
    if wanted:
        changes["compute"] = wanted
    if options.weights is not None:
        changes["weights"] = "auto" if options.weights == "auto" else options.weights.split(",")
    for text in options.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise JobError(f"--set: not of the form key=value (got {text!r}).")
        changes[key] = read_yaml(value, f"--set {key}")
    return load_job(options.job, changes) if options.job else job_of(changes, "flags")
