"""Cluster files, and profiles in Dask's configuration: which cluster class is called with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask
from dask.utils import parse_timedelta

from jachess.batch.job_schema import read_schema, validate
from jachess.batch.plain_yaml import read_yaml_file
from jachess.errors import JobError


@dataclass(frozen=True)
class ClusterFile:
    """What a cluster file says; its keys are described in cluster.schema.json.

    Attributes
    ----------
    source : str
        Where it was read.
    timeout : float or None
        Seconds.
    """

    source: str
    cluster: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scale: Mapping[str, Any] | None = None
    adapt: Mapping[str, Any] | None = None
    scheduler: str | None = None
    wait_for_workers: int = 1
    timeout: float | None = None
    tls: bool | str = False
    dask: Mapping[str, Any] = field(default_factory=dict)


def schema() -> dict[str, Any]:
    """The JSON schema of a cluster file."""
    return read_schema("jachess.batch.clusters", "cluster.schema.json")


def read_cluster_file(name: str | Path) -> ClusterFile:
    """A cluster file; or the profile of that name, under ``jachess.clusters`` in Dask's configuration.

    A profile or a file is the whole choice: nothing is merged into it.

    Raises
    ------
    JobError
        If there is neither, or with everything that is wrong with it.
    """
    path, profiles = Path(name), dask.config.get("jachess.clusters", {})
    if not path.exists() and path.name in profiles:
        source, given = f"profile {path.name}", profiles[path.name]
    else:
        known = f" or profile (profiles: {', '.join(profiles)})" if profiles else ""
        source, given = str(path), read_yaml_file(path, f"cluster file{known}")
    if not isinstance(given, dict):
        raise JobError(f"{source}: a cluster is a mapping of keys to values (got {type(given).__name__}).")
    validate(given, schema(), source)
    keys = {key: value for key, value in given.items() if value is not None}
    problems = []
    if ("cluster" in keys) == ("scheduler" in keys):
        problems.append(f"{source}: wanted either 'cluster', an import path, or 'scheduler', an address.")
    if "scale" in keys and "adapt" in keys:
        problems.append(f"{source}: 'scale' and 'adapt' exclude each other. Keep one.")
    try:
        keys["timeout"] = parse_timedelta(keys["timeout"]) if "timeout" in keys else None
    except (ValueError, KeyError):
        problems.append(f"{source}: 'timeout' is not a time (wanted one like 30 minutes; got {keys['timeout']!r}).")
    if problems:
        raise JobError.of(problems)
    return ClusterFile(source, **keys)
