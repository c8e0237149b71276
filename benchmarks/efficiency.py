"""`python -m benchmarks.efficiency`: how busy workers are kept, from one to a thousand, if their blocks only sleep.

Everything else is real: cluster, pre-flight, scheduler, the window of tasks and how blocks are grouped. Workers that
sleep need no core, so four of them, or a thousand, fit on a small machine. With ``--hosts`` they are Dask's own
workers, many to a process, connected by TCP to a scheduler in this one; else they are what a job would get, from
``--cluster`` or local.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dask
from distributed import LocalCluster, Worker

from benchmarks import asleep
from benchmarks.scheduling import cut_into_points, trivial_job
from jachess.batch.clusters import workers
from jachess.batch.clusters.settings import settings
from jachess.batch.compute import equipped
from jachess.batch.log import Log
from jachess.batch.progress import Progress
from jachess.batch.run import plan_job
from jachess.batch.stages import COMPUTE
from jachess.batch.tally import Tally
from jachess.batch.window import Window

MEMORY = 1 << 27
SELDOM = {"distributed.admin.tick.interval": "10s", "distributed.admin.system-monitor.interval": "60s"}
"""Workers look after themselves so often; as often as Dask has it, hundreds in a process would do nothing else."""


@dataclass(frozen=True)
class Efficiency:
    """How long sleeping blocks took."""

    n_workers: int
    n_blocks: int
    block: float
    starting: float
    seconds: float
    cpu_seconds: float
    peak: int

    def sentence(self) -> str:
        """The figures, for people."""
        busy = self.n_blocks * self.block / (self.n_workers * self.seconds)
        return (
            f"{self.n_workers:,} workers, ready after {self.starting:.1f} s; {self.n_blocks:,} blocks of {self.block} s"
            f" in {self.seconds:.1f} s: workers busy {busy:.0%}; scheduler and client {self.cpu_seconds:.1f} s, "
            f"{self.cpu_seconds / self.seconds:.0%} of a core, {self.peak / 2**20:.0f} MiB"
        )


def measure_efficiency(n_workers: int, per_worker: int, block: float, folder: Path, **how: str | int) -> Efficiency:
    """Let each of some workers sleep for so many blocks; ``how`` are keys of the job that say where they come from."""
    n_blocks = n_workers * per_worker
    job = trivial_job(n_blocks, folder, **how)
    prepared, store = cut_into_points(plan_job(job))
    log = Log(store.storage.log)
    begun = time.monotonic()
    with workers(job, MEMORY) as client, equipped(client, prepared.context(), store) as run:
        client.wait_for_workers(n_workers)
        missing, progress = COMPUTE.missing(store), Progress(COMPUTE.name, n_blocks, 0)
        window = Window(client, run, store, COMPUTE, progress, {}, log, Tally(), patience=600.0)
        started, before = time.monotonic(), time.process_time()
        window.pass_through(missing)
        ended, after = time.monotonic(), time.process_time()
    assert not window.failures
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Efficiency(n_workers, n_blocks, block, started - begun, ended - started, after - before, peak)


@contextmanager
def hosted(n_workers: int, n_processes: int) -> Iterator[str]:
    """A scheduler in this process, and processes that hold many workers each; its address."""
    with ExitStack() as stack:
        stack.enter_context(settings())
        local = {"n_workers": 0, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
        cluster = stack.enter_context(LocalCluster(**local))
        for number in range(n_processes):
            share = len(range(number, n_workers, n_processes))
            command = [sys.executable, "-m", "benchmarks.efficiency", "--host", cluster.scheduler_address]
            host = subprocess.Popen([*command, "--workers", str(share)], stdin=subprocess.PIPE)
            stack.callback(host.wait)
            assert host.stdin is not None
            stack.callback(host.stdin.close)  # which ends it
        yield cluster.scheduler_address


async def _host(address: str, n_workers: int) -> None:
    """Workers in this process, until stdin is closed."""
    held = [Worker(address, nthreads=1, memory_limit=0, dashboard=False, host="127.0.0.1") for _ in range(n_workers)]
    for start in range(0, n_workers, 50):
        await asyncio.gather(*held[start : start + 50])
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # no need to say goodbye a thousand times


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.efficiency", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--blocks", type=int, default=20, help="of each worker")
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.5], help="that each block takes")
    parser.add_argument("--cluster", help="a cluster file; as many workers as it says")
    parser.add_argument("--hosts", type=int, help="how many processes hold the workers")
    parser.add_argument("--host", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.host:
        with settings(), dask.config.set(SELDOM):
            asyncio.run(_host(given.host, given.workers[0]))
    for n_workers, block in ((n, seconds) for n in given.workers for seconds in given.seconds):
        os.environ[asleep.SECONDS] = str(block)
        os.environ["DASK_DISTRIBUTED__WORKER__PRELOAD"] = asleep.__file__
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=Path.cwd())))
            stack.enter_context(dask.config.set({"distributed.worker.preload": asleep.__file__}))
            if given.hosts:
                how: dict[str, str | int] = {"scheduler": stack.enter_context(hosted(n_workers, given.hosts))}
            else:
                how = {"cluster": given.cluster} if given.cluster else {"workers": n_workers}
            print(measure_efficiency(n_workers, given.blocks, block, folder, **how).sentence(), flush=True)


if __name__ == "__main__":
    main()
