"""Starting the cluster of a cluster file, by Dask's own classes."""

from __future__ import annotations

import importlib
import inspect
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dask

from jachess.batch.clusters.file import ClusterFile
from jachess.batch.clusters.keys import keys
from jachess.batch.clusters.lost import closing
from jachess.batch.clusters.settings import environment
from jachess.batch.clusters.submission import Submissions, check_script
from jachess.errors import JobError


@contextmanager
def started(file: ClusterFile) -> Iterator[tuple[Any, Submissions]]:
    """A cluster, scaled as the file says; closed in the end.

    Raises
    ------
    JobError
        If it does not start, or its queue would not take its jobs.
    """
    with keys(file) as secured, dask.config.set({**secured, **file.dask}):
        submissions = Submissions()
        with closing(_created(file, {**secured, **file.dask}, submissions)) as cluster:
            try:
                if is_queue(cluster):
                    check_script(cluster, file.source)
                with _explained(file):
                    if file.scale is not None:
                        cluster.scale(**file.scale)
                    if file.adapt is not None:
                        cluster.adapt(**file.adapt)
                yield cluster, submissions
            finally:
                submissions.closing = True


def script(file: ClusterFile) -> str | None:
    """The script of a queue's jobs, without a scheduler to connect to; None for other kinds of cluster.

    Raises
    ------
    JobError
        If the class does not take the arguments.
    """
    create = imported(file)
    if not is_queue(create):
        return None
    with _explained(file):
        given, own = _arguments(file, create, file.dask, Submissions()), set(inspect.signature(create).parameters)
        of_jobs = {name: value for name, value in given.items() if name not in own - {"interface", "protocol"}}
        return str(create.job_cls("SCHEDULER", name="WORKER", **of_jobs).job_script())


def is_queue(cluster: Any) -> bool:
    """Whether its workers are jobs of a queue, by dask_jobqueue."""
    return hasattr(cluster, "job_cls")


def imported(file: ClusterFile) -> Any:
    """The class, or function, that the file names.

    Raises
    ------
    JobError
        If there is none.
    """
    module, _, name = str(file.cluster).rpartition(".")
    with _explained(file):
        return getattr(importlib.import_module(module), name)


def _created(file: ClusterFile, further: Mapping[str, Any], submissions: Submissions) -> Any:
    create = imported(file)
    with _explained(file):
        cluster = create(**_arguments(file, create, further, submissions))
        if not hasattr(cluster, "scheduler_address"):
            raise TypeError(f"{file.cluster} is no Dask cluster")
        return cluster


def _arguments(file: ClusterFile, create: Any, further: Mapping[str, Any], submissions: Submissions) -> dict[str, Any]:
    """What the class is called with: jobs of a queue also get our settings, and are watched as they are submitted."""
    given = dict(file.arguments)
    if file.tls and "protocol" in inspect.signature(create).parameters:
        given["protocol"] = "tls://"
    if not is_queue(create):
        return given
    name = given.get("config_name") or create.job_cls.config_name
    prologue = given.get("job_script_prologue") or dask.config.get(f"jobqueue.{name}.job-script-prologue", [])
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment(further).items()]
    return {**given, "job_cls": submissions.job_class(create.job_cls), "job_script_prologue": [*prologue, *exports]}


@contextmanager
def _explained(file: ClusterFile) -> Iterator[None]:
    """Whatever a cluster class raises, as an error of the file: the first one, not what it led to."""
    try:
        yield
    except JobError:
        raise
    except ModuleNotFoundError as error:
        raise JobError(
            f"{file.source}: the cluster cannot be started (ModuleNotFoundError: {error}). Install the package "
            "that the class belongs to."
        ) from error
    except Exception as error:
        first: BaseException = error
        while (before := first.__cause__ or first.__context__) is not None:
            first = before
        raise JobError(f"{file.source}: the cluster cannot be started ({type(first).__name__}: {first}).") from error
