"""The quantities of a case as jobs compute them, block by block, each with its own check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jachess.batch.job import QUANTITIES as NAMES
from jachess.batch.job import Job
from jachess.batch.planning import make_plan
from jachess.batch.points import PointSource
from jachess.batch.quantities import QUANTITIES, Context
from jachess.network.graph import Array
from jachess.network.head import error_head
from tests.networks import Case

CHECKED = ("jacobian", "gradient", "hessian")


@dataclass(frozen=True)
class Computed:
    """A quantity and the residuals of its rows."""

    value: Array
    residual: Array


def context_of(case: Case, folder: Path, dtype: str = "float64", **changes: int) -> Context:
    """What a worker is given for a job on this case, whose points and targets are put into a folder."""
    paths = [folder / f"{number}.npy" for number in range(len(case.points))]
    for path, array in zip(paths, case.points, strict=True):
        np.save(path, array)
    np.save(folder / "targets.npy", case.targets)
    job = Job("", (), NAMES, "", error=case.error, dtype=dtype)
    head = error_head(case.network, case.error)
    inputs = tuple((i, str(path)) for i, path in zip(case.network.inputs, paths, strict=True))
    source = PointSource(inputs, str(folder / "targets.npy"), len(case.targets))
    plan = make_plan(job, case.network, head, source.count, {})
    return Context(case.network, head, source, replace(plan, **changes))


def compute(context: Context, name: str) -> Computed:
    """All blocks of a quantity; of the Hessian what they compute, the rest zero: it is a copy that no block checks."""
    record, specs = QUANTITIES[name], QUANTITIES[name].arrays(context.plan)
    arrays = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in specs}
    for block in range(record.n_blocks(context.plan)):
        for array, region, data in record.compute(context, block):
            if array != "hessian" or region[0].start <= region[1].start:
                arrays[array][region] = data
    return Computed(arrays[name], arrays[record.residual or ""])
