"""From a job to what a run needs: network, points and plan, each checked before anything is written."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import scipy

from jachess.batch.confine import check_confined
from jachess.batch.earlier import Earlier, open_earlier
from jachess.batch.job import Job
from jachess.batch.plan import NUMERICS, Plan
from jachess.batch.planning import make_plan
from jachess.batch.points import PointSource, missing_files, open_points
from jachess.batch.quantities import Context
from jachess.batch.storage import absolute, is_url
from jachess.batch.store_form import labels_of
from jachess.errors import InputError, JobError
from jachess.network.graph import Network
from jachess.network.head import Head, error_head
from jachess.network.layers import labels
from jachess.network.sources import read_network


@dataclass(frozen=True)
class Prepared:
    """A job whose network and points are read and whose plan is made."""

    job: Job
    network: Network
    head: Head | None
    source: PointSource
    plan: Plan
    earlier: Earlier | None = None

    def context(self) -> Context:
        """What workers need of it."""
        return Context(self.network, self.head, self.source, self.plan, self.earlier)

    def shares(self) -> dict[str, Any]:
        """Where each share of the sums comes from, if the job extends a result: attributes of the store."""
        if self.earlier is None:
            return {}
        own = {"points": [self.plan.n_before, self.plan.n_points]}
        return {"shares": [*self.earlier.shares, own]}


def prepare(job: Job) -> Prepared:
    """Read network and points, check them, and plan.

    Raises
    ------
    InputError
        If anything is wrong; problems of the network and of the points are told together where they can be.
    """
    check_confined(job)
    if is_url(job.network):
        raise JobError(f"{job.network}: a network is read from a local file. Copy it here, with its data beside it.")
    weights = job.weights if isinstance(job.weights, str) else list(job.weights)
    try:
        network = read_network(job.network, weights=weights, input=job.input, output=job.output)
    except InputError as error:
        if not (missing := missing_files(job)):
            raise
        raise InputError.of([str(error), *missing]) from error
    problems, head = [], None
    try:
        head = error_head(network, job.error) if job.needs_error and job.error else None
    except InputError as error:
        problems.append(str(error))
    try:
        source = open_points(job, network, head)
    except InputError as error:
        problems.append(str(error))
    if problems:
        raise InputError.of(problems)
    fingerprints = {"network": network.fingerprint(), **source.fingerprint(), "numerics": NUMERICS}
    earlier = open_earlier(job, fingerprints["network"], source)
    if earlier is not None:
        fingerprints["extended result"] = earlier.fingerprint
    before = None if earlier is None else earlier.plan
    plan = make_plan(job, network, head, source.count, fingerprints, source.memory(), before)
    return Prepared(job, network, head, source, plan, earlier)


def with_absolute_places(job: Job) -> Job:
    """The same job for workers whose current folder is another one."""
    points = tuple((name, absolute(path)) for name, path in job.points)
    return replace(job, points=points, targets=None if job.targets is None else absolute(job.targets))


def axis_labels(plan: Plan, network: Network) -> dict[str, Any]:
    """Labels of the axes of weights: tensor, unit and input of each."""
    wanted = labels_of(plan)
    if not wanted:
        return {}
    names, units, inputs = labels(network)
    one = {"layer": np.array(names, dtype=np.dtypes.StringDType()), "unit": units, "input": inputs}
    return {name: one[name.partition("_")[0]] for name in wanted}


def versions() -> dict[str, str]:
    """Versions of all that the numbers may depend on."""
    return {
        "jachess": version("jachess"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "dask": version("dask"),
        "zarr": version("zarr"),
    }
