"""`python -m benchmarks.scheduling`: what a block costs that has nothing to do, and whether the scheduler stays small.

Each block is the outputs of a single point. It is computed, written, put on the disk, read back and checked as any
other. The scheduler lives in this process, so that its memory is this process's; workers are local, or those of a
cluster file, whose cores are not counted then.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.cases import Case
from benchmarks.peers.ours import save_network
from jachess.batch.job import Job, job_of
from jachess.batch.new_store import create_store
from jachess.batch.planning import describe
from jachess.batch.prepare import Prepared, axis_labels
from jachess.batch.run import plan_job, run_job
from jachess.batch.store import Store

CASE = Case("jacobian", (2, 2, 1))


@dataclass
class Memory:
    """This process's memory, watched while something runs."""

    samples: list[int] = field(default_factory=list)

    def watch(self, done: threading.Event) -> None:
        while not done.wait(0.2):
            status = Path("/proc/self/status").read_text()
            self.samples.append(1024 * int(status.split("VmRSS:")[1].split()[0]))

    def at(self, share: float) -> float:
        """MiB when that share of the time was over."""
        return self.samples[min(int(share * len(self.samples)), len(self.samples) - 1)] / 2**20


@dataclass(frozen=True)
class Cost:
    """What a run of many trivial blocks cost."""

    n_blocks: int
    planning: float
    seconds: float
    cpu_seconds: float
    memory: Memory

    def lines(self) -> list[str]:
        """The figures, for people."""
        start, middle, end = (self.memory.at(share) for share in (0.1, 0.5, 1.0))
        return [
            f"plan {self.planning:.2f} s",
            f"{self.n_blocks:,} blocks in {self.seconds:.0f} s: {self.seconds / self.n_blocks * 1e3:.2f} ms a block, "
            f"and {self.cpu_seconds / self.n_blocks * 1e3:.2f} ms of one core",
            f"scheduler's process {start:.0f} MiB at the start, {middle:.0f} in the middle, {end:.0f} at the end",
        ]


def measure_scheduling(n_blocks: int, folder: Path, **how: str | int) -> Cost:
    """Run a job that is cut into blocks of one point each; ``how`` are keys of the job that say on which workers."""
    job = trivial_job(n_blocks, folder, **how)
    start = time.perf_counter()
    prepared = plan_job(job)
    describe(prepared.plan)
    planning = time.perf_counter() - start
    cut_into_points(prepared)
    memory, done = Memory(), threading.Event()
    watcher = threading.Thread(target=memory.watch, args=(done,))
    watcher.start()
    before = _cpu_seconds()
    try:
        outcome = run_job(job)
    finally:
        done.set()
        watcher.join()
    assert outcome.verdict.passed
    assert outcome.n_computed == n_blocks
    return Cost(n_blocks, planning, outcome.seconds, _cpu_seconds() - before, memory)


def _cpu_seconds() -> float:
    """Of this process and those that it started and that have ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def trivial_job(n_blocks: int, folder: Path, **how: str | int) -> Job:
    """The outputs of so many points; ``how`` are keys of the job that say on which workers."""
    save_network(CASE, folder / "network.onnx")
    np.save(folder / "points.npy", replace(CASE, n_points=n_blocks).points())
    files = {"network": "network.onnx", "points": "points.npy", "out": "out.zarr"}
    return job_of({**{k: str(folder / v) for k, v in files.items()}, "compute": ["outputs"], **how})


def cut_into_points(prepared: Prepared) -> tuple[Prepared, Store]:
    """The same with a block for each point, and its store, without values."""
    plan = replace(prepared.plan, points_per_block=1)
    labels = axis_labels(plan, prepared.network)
    return replace(prepared, plan=plan), create_store(Path(prepared.job.out), plan, {"state": "running"}, labels)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.scheduling", description=__doc__)
    parser.add_argument("--blocks", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cluster", help="a cluster file")
    arguments = parser.parse_args()
    how = {"cluster": arguments.cluster} if arguments.cluster else {"workers": arguments.workers}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for line in measure_scheduling(arguments.blocks, Path(folder), **how).lines():
            print(line, flush=True)


if __name__ == "__main__":
    main()
