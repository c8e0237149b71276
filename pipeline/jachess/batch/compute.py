"""Computing what a store lacks: blocks through the stages, on a new cluster if one is lost."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from distributed import Client, performance_report

from jachess.batch.clusters import ClusterLost, absence, workers
from jachess.batch.log import Log
from jachess.batch.planning import bytes_of_blocks
from jachess.batch.prepare import Prepared
from jachess.batch.progress import Progress, tell
from jachess.batch.quantities import QUANTITIES, WORKS, Context
from jachess.batch.stages import COMPUTE, STAGES
from jachess.batch.storage import absolute
from jachess.batch.store import Store
from jachess.batch.tally import Tally
from jachess.batch.tasks import Block, WorkerContext
from jachess.batch.watch import PATIENCE
from jachess.batch.window import ATTEMPTS, Window
from jachess.errors import IncompleteError, JobError

ROUNDS = 3
"""How often chunks that are found damaged are computed again before the disk is blamed."""
REBUILDS = 3
"""How often in a row a cluster that was lost is started again, if no block has come through meanwhile."""


@dataclass
class Computation:
    """The computation of what is missing.

    Attributes
    ----------
    memory : int
        Bytes that each local worker may use.
    report : str or None
        Where Dask's performance report goes, if anybody wants it.
    """

    prepared: Prepared
    store: Store
    memory: int
    log: Log
    tally: Tally
    report: str | None = None
    failures: dict[Block, str] = field(default_factory=dict)

    def run(self) -> None:
        """Compute all missing blocks, then read them back.

        Chunks that are found damaged are removed, so they may be missing in the end.

        Raises
        ------
        IncompleteError
            If blocks are given up, or the cluster is lost again and again.
        JobError
            If there are no workers to begin with.
        """
        losses, left = 0, -1
        while True:
            try:
                with workers(self.prepared.job, self.memory) as client:
                    self._stages(client)
                break
            except (ClusterLost, JobError) as error:
                if isinstance(error, JobError) and not losses:
                    raise
                before, left = left, sum(len(stage.missing(self.store)) for stage in STAGES)
                losses = losses + 1 if left == before else 1
                self.log.write("cluster lost", why=str(error))
                if losses == REBUILDS:
                    raise IncompleteError(
                        f"{self.store.storage}: the Dask cluster was lost {losses} times ({error}). "
                        "Repeat the command to go on."
                    ) from error
                tell(f"the Dask cluster is lost ({error}). Another is started, or waited for.")
        if self.failures:
            raise IncompleteError(self._given_up())

    def _stages(self, client: Client) -> None:
        with equipped(client, self.prepared.context(), self.store) as run, _reported(self.report):
            for _ in range(ROUNDS):
                if not self._round(client, run):
                    break

    def _round(self, client: Client, run: str) -> bool:
        """Each stage once; True if blocks were found damaged when they were read back, and are to be computed again."""
        plan, patience = self.store.plan, self.prepared.job.patience or PATIENCE
        damaged = False
        for stage in STAGES:
            missing = [block for block in stage.missing(self.store) if block not in self.failures]
            if stage is COMPUTE:
                for name in {name for name, _ in missing}:  # what was read back of older chunks proves nothing now
                    self.store.forget(QUANTITIES[name].read_back)
            if missing:
                progress = Progress(stage.name, len(missing), bytes_of_blocks(plan, len(missing)))
                self.log.write("stage", stage=stage.name, blocks=len(missing))
                window = Window(
                    client,
                    run,
                    self.store,
                    stage,
                    progress,
                    self.failures,
                    self.log,
                    self.tally,
                    patience,
                    absence(self.prepared.job),
                )
                window.pass_through(missing)
                progress.close()
                damaged = window.damaged
            if self.failures or damaged:
                return damaged and not self.failures
        return damaged

    def _given_up(self) -> str:
        plan = self.store.plan
        lines = [f"{name}, {WORKS[name].label(plan, b)}: {text}" for (name, b), text in self.failures.items()]
        return "\n".join(
            [
                f"{self.store.storage}: {len(lines)} blocks are missing: they failed {ATTEMPTS} times. "
                "Repeat the command to try them again.",
                *lines[:10],
                *([f"and {len(lines) - 10} more: see {self.log.path}"] if len(lines) > 10 else []),
            ]
        )


def check_report(file: str) -> None:
    """Refuse a performance report that could not be written in the end.

    Raises
    ------
    JobError
        If bokeh, which draws it, is not installed, or the file's folder does not exist.
    """
    if importlib.util.find_spec("bokeh") is None:
        raise JobError("performance report: needs bokeh. Install it: pip install 'jachess[performance-report]'.")
    if not Path(file).absolute().parent.is_dir():
        raise JobError(f"{file}: its folder does not exist. Create it first, or choose another place.")


@contextmanager
def _reported(file: str | None) -> Iterator[None]:
    """Dask's performance report of what is inside, if anybody wants it; the run does not depend on it."""
    if file is None:
        yield
        return
    report = performance_report(file)
    report.__enter__()
    try:
        yield
    finally:
        try:
            report.__exit__(None, None, None)
        except Exception as error:  # whatever drawing it raises, or a lost scheduler
            tell(f"{file}: there is no performance report ({type(error).__name__}: {error}).")


@contextmanager
def equipped(client: Client, context: Context, store: Store) -> Iterator[str]:
    """Give workers what they need for a store, and take it from them when all went well; its name.

    Raises
    ------
    ClusterLost
        If they cannot be given it.
    """
    plugin = WorkerContext(context, absolute(str(store.storage)))
    _equip(client, plugin)
    yield plugin.name
    with suppress(Exception):  # so that a scheduler that others use too does not keep it
        client.unregister_worker_plugin(plugin.name)


def _equip(client: Client, plugin: WorkerContext) -> None:
    """One that dies just then takes nothing from the others, so it is given once more.

    Raises
    ------
    ClusterLost
        If that does not help.
    """
    for attempt in range(REBUILDS):
        try:
            client.register_plugin(plugin)
        except OSError as error:  # Dask's CommClosedError is one
            if attempt == REBUILDS - 1:
                raise ClusterLost(f"{type(error).__name__}: {error}") from error
        else:
            return
