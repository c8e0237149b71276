"""A whole job: where its time goes, on one worker and on two."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.cases import Case
from benchmarks.peers.ours import save_network
from jachess.backprop.hessian import hessian_strip
from jachess.batch.job import Job, job_of
from jachess.batch.new_store import create_store
from jachess.batch.quantities import QUANTITIES, Context
from jachess.batch.run import plan_job, run_job

CASE = Case("hessian", (64, 64, 64, 10), n_points=16384)


@dataclass(frozen=True)
class Shares:
    """Seconds of one core: the kernel alone, all that a task computes, its writing; and of whole runs."""

    kernel: float
    computing: float
    writing: float
    one_worker: float
    two_workers: float
    n_bytes: int

    def lines(self) -> list[str]:
        """The figures, for people."""
        best = max(self.kernel, self.writing)
        return [
            f"kernel {self.kernel:.1f} s, checks {self.computing - self.kernel:.1f} s, writing {self.writing:.1f} s "
            f"({self.n_bytes / self.writing / 1e9:.2f} GB/s) on one core",
            f"one worker {self.one_worker:.1f} s: {self.one_worker / best:.2f} times the larger of kernel and writing; "
            f"{self.one_worker - self.computing - self.writing:.1f} s of it starting, scheduling and sealing",
            f"two workers {self.two_workers:.1f} s: efficiency {self.one_worker / self.two_workers / 2:.2f}",
        ]


def measure_job(case: Case = CASE) -> Shares:
    """Run the Hessian of a case as a job, in a folder that goes again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_network(case, folder / "network.onnx")
        np.save(folder / "points.npy", case.points())
        np.save(folder / "targets.npy", case.targets())
        alone = _alone(_job(folder, "alone", 1))
        one, two = (run_job(_job(folder, f"workers{n}", n)).seconds for n in (1, 2))
        return Shares(alone["kernel"], alone["computing"], alone["writing"], one, two, int(alone["bytes"]))


def _job(folder: Path, out: str, workers: int) -> Job:
    files = {"network": "network.onnx", "points": "points.npy", "targets": "targets.npy", "out": f"{out}.zarr"}
    keys = {key: str(folder / value) for key, value in files.items()}
    return job_of({**keys, "compute": ["hessian"], "error": "sum-of-squares", "workers": workers})


def _alone(job: Job) -> Counter[str]:
    """Every block in this process, on one core, with a clock on each part."""
    prepared, seconds = plan_job(job), Counter[str]()
    plan, hessian = prepared.plan, QUANTITIES["hessian"]
    context = Context(prepared.network, prepared.head, prepared.source, plan)
    store = create_store(Path(job.out), plan, {}, {})

    def clock(part: str, start: float) -> float:
        now = time.perf_counter()
        seconds[part] += now - start
        return now

    with threadpool_limits(1):
        for block in range(hessian.n_blocks(plan)):
            (rows,) = hessian.rows(plan, block)
            start = time.perf_counter()
            hessian_strip(context.error_head(), context.all_chunks(), rows)
            start = clock("kernel", start)
            for name, region, data in hessian.compute(context, block):
                start = clock("computing", start)
                store.write([(name, region, data)])
                start = clock("writing", start)
                seconds["bytes"] += data.nbytes
            clock("computing", start)
    return seconds
