"""Jobs from Python: what the commands ``plan`` and ``run`` do, as functions.

Dask and Zarr are imported when a job is run, not with the package: who only wants a Jacobian need not wait for them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from jachess.backprop.interface import jacobian
from jachess.network.graph import Network

if TYPE_CHECKING:
    from jachess.batch.job import Job
    from jachess.batch.plan import Plan
    from jachess.result.open import Result


def plan(job: Job | Mapping[str, Any] | str | Path) -> Plan:
    """Plan a job: read and check all that it names, and cut it into blocks; nothing is written.

    Parameters
    ----------
    job : Job, mapping or path
        A job, the keys of one, or the path of a job file.

    Returns
    -------
    Plan
        Sizes, blocks and weights; `str` of it is what ``jachess plan`` prints.

    Raises
    ------
    InputError
        If the job is refused.
    """
    from jachess.batch.run import plan_job

    return plan_job(_job(job)).plan


def run(job: Job | Mapping[str, Any] | str | Path, *, checksums: bool = False) -> Result:
    """Run a job, or what is missing of it, on Dask workers.

    Parameters
    ----------
    job : Job, mapping or path
        As for `plan`. In a script, call this below ``if __name__ == "__main__":``, as for all worker processes.
    checksums : bool
        Whether every chunk that is there is read first; damaged ones are computed again.

    Returns
    -------
    Result
        Its `verdict` says whether every row agrees with central differences.

    Raises
    ------
    InputError
        If the job is refused: nothing has been written.
    IncompleteError
        If blocks are missing in the end; the same call resumes.
    """
    from jachess.batch.run import run_job

    return open_result(run_job(_job(job), checksums=checksums).out)


def open_result(path: str | Path, *, memory: str = "1GiB") -> Result:
    """Open the Zarr store that a job made, or is still making: then a warning says how far it is.

    Parameters
    ----------
    path : path or URL
        The job's ``out``.
    memory : str
        What reading or an analysis may hold at a time, like 2GiB.

    Returns
    -------
    Result
        ``result.hessian["hidden.weight", "output.bias"].values`` is a block of the Hessian,
        ``result.jacobian.sel(point=3).to_xarray()`` a labelled Jacobian.

    Raises
    ------
    StoreError
        If there is no result of jachess.
    """
    from jachess.result.open import Result

    result = Result.open(path, memory=memory)
    if result.state == "running":
        done = ", ".join(f"{n:,} of {total:,} blocks of {name}" for name, (n, total) in result.progress().items())
        warnings.warn(f"{path}: still incomplete ({done}); missing parts read as NaN.", stacklevel=2)
    return result


def dask_jacobian(net: Network, points: Any) -> Any:
    """The Jacobians of points in a dask.array, as a lazy dask.array for a graph of one's own.

    Parameters
    ----------
    net : Network
        With one input.
    points : dask.array (N, …)
        In chunks of points; the other axes in one chunk.

    Returns
    -------
    dask.array (N, K, D), float64
        In the same chunks of points.
    """
    import dask.array as da

    flat = points.reshape(points.shape[0], -1).rechunk({1: -1})

    def block(part: ArrayLike) -> Any:
        return jacobian(net, part)

    chunks = (flat.chunks[0], (net.n_outputs,), (net.n_inputs,))
    return da.map_blocks(block, flat, dtype="float64", chunks=chunks, new_axis=2, meta=None)


def _job(job: Job | Mapping[str, Any] | str | Path) -> Job:
    from jachess.batch.job import job_of, load_job

    if isinstance(job, Mapping):
        return job_of(job)
    return load_job(job) if isinstance(job, str | Path) else job
