"""A job without a scheduler: its blocks are dealt to numbered shards, each a process of its own, as arrays of jobs are.

``plan_shards`` creates the store, ``run_shard`` computes one shard's blocks, ``finalize`` judges the whole. Blocks,
receipts and bytes are those of a run; so either may go on with what the other began.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from threadpoolctl import threadpool_limits

from jachess.batch.begin import (
    begin,
    check_addable,
    check_unchanged,
    check_versions,
    complete_labels,
    open_same,
    reopen,
)
from jachess.batch.job import Job
from jachess.batch.log import Log
from jachess.batch.measure import PARTS, measured
from jachess.batch.planning import bytes_of_blocks
from jachess.batch.prepare import Prepared, prepare, versions
from jachess.batch.progress import Progress, tell
from jachess.batch.quantities import QUANTITIES, WORKS, n_blocks, works
from jachess.batch.quantities.dispatch import read_back_check
from jachess.batch.run import Outcome, complete
from jachess.batch.stages import COMPUTE, DIFFERENCES, READ_BACK, Stage
from jachess.batch.stages import PARTS as SUMMED
from jachess.batch.storage import storage_of
from jachess.batch.storage.turns import alone, among_shards
from jachess.batch.store import Store
from jachess.batch.tally import Tally
from jachess.batch.tasks import Block, read_back_blocks, write_blocks
from jachess.batch.window import ATTEMPTS
from jachess.errors import ChunkError, DiskError, IncompleteError, JobError, StoreError

SHARDS = "shards"
"""Root attribute: into how many shards the blocks of a store are dealt."""


@dataclass(frozen=True)
class ShardOutcome:
    """What became of a shard.

    Attributes
    ----------
    n_computed, n_read_back : int
        Blocks that this call computed, and that it read back and checked.
    waiting : tuple of str
        Quantities that cannot be read back yet, since other shards' blocks are missing.
    """

    n_computed: int
    n_read_back: int
    waiting: tuple[str, ...]


def plan_shards(job: Job, n_shards: int) -> Prepared:
    """Create a job's store, or look at the one that is there, and deal its blocks to shards.

    Raises
    ------
    InputError
        If the job is refused: nothing has been written.
    """
    if n_shards < 1:
        raise JobError(f"shards: there must be some (wanted at least 1; got {n_shards}).")
    storage, prepared = storage_of(job.out), prepare(job)
    storage.check()
    with alone(storage):
        store, _ = begin(prepared, storage)
        complete_labels(prepared, store)
        missing = COMPUTE.missing(store)
        if missing or READ_BACK.missing(store):
            check_addable(store, missing)
            reopen(store, **{SHARDS: n_shards})
        return replace(prepared, plan=store.plan)


def run_shard(job: Job, index: int) -> ShardOutcome:
    """Compute what is missing of one shard; read its blocks back as soon as all blocks of a quantity are there.

    Any number of shards may be at work on a store, on any machines, each once at a time; a shard that was killed is
    simply started again.

    Raises
    ------
    InputError
        If the job is refused, or there is no such shard.
    IncompleteError
        If blocks of the shard are missing in the end; the same call resumes.
    """
    storage, prepared = storage_of(job.out), prepare(job)
    if not storage.exists():
        raise StoreError(f"{storage}: there is no store yet. Create it: jachess plan --shards N, with the same job.")
    store = open_same(prepared, storage)
    n_shards = store.attributes.get(SHARDS)
    if n_shards is None:
        raise StoreError(f"{storage}: is not dealt to shards. Do that: jachess plan --shards N, with the same job.")
    if not 0 <= index < n_shards:
        raise JobError(f"index: there is no such shard (wanted 0 to {n_shards - 1}; got {index}).")
    check_versions(store)
    with among_shards(storage, index), threadpool_limits(1), Log(storage.log) as log:
        shard = Shard(replace(prepared, plan=store.plan), store, index, n_shards, log)
        log.write("shard", shard=index, process=os.getpid(), versions=versions())
        return shard.run()


def finalize(job: Job) -> Outcome:
    """Judge a job whose shards are through, and seal its store; blocks that no shard has read back are read back here.

    Raises
    ------
    IncompleteError
        If shards are incomplete: it says which.
    """
    started, storage, prepared = time.monotonic(), storage_of(job.out), prepare(job)
    storage.reach()
    with alone(storage):
        store = open_same(prepared, storage)
        n_shards, summed = store.attributes.get(SHARDS) or 1, _summed(store)
        missing = SUMMED.missing(store) + [block for block in COMPUTE.missing(store) if block[0] not in summed]
        if missing:
            lacking = sorted({shard_of(store, block, n_shards) for block in missing})
            raise IncompleteError(
                f"{storage}: {len(missing)} blocks are missing, of {len(lacking)} shards "
                f"({', '.join(map(str, lacking))}). Run these shards again: jachess run-shard --index …"
            )
        prepared, tally = replace(prepared, plan=store.plan), Tally()
        verdict = complete(prepared, store, tally)
        return Outcome(str(storage), store.plan, verdict, n_blocks(store.plan), 0, time.monotonic() - started, tally)


def shard_of(store: Store, block: Block, n_shards: int) -> int:
    """The shard that a block belongs to: blocks are dealt one by one, so that long and short ones mix."""
    name, number = block
    before = 0
    for work in works(store.plan):
        if work.name == name:
            break
        before += work.n_blocks(store.plan)
    return (before + number) % n_shards


def _summed(store: Store) -> set[str]:
    """The quantities that are made of partial sums, where all of these are there."""
    split = ((name, QUANTITIES[name].split(store.plan)) for name in store.plan.quantities)
    return {name for name, sums in split if sums is not None and store.done(sums.parts.name).all()}


@dataclass
class Shard:
    """A shard on its way through this process.

    Attributes
    ----------
    index, n_shards : int
        Which of how many.
    """

    prepared: Prepared
    store: Store
    index: int
    n_shards: int
    log: Log

    def run(self) -> ShardOutcome:
        """Compute, then read back what can be."""
        context, store = self.prepared.context(), self.store

        def write(name: str, block: int) -> int:
            return write_blocks(context, store, name, [block])

        self._each(SUMMED, self._mine(SUMMED.missing(store)), write)
        ready = _summed(store) | {name for name in store.plan.quantities if QUANTITIES[name].split(store.plan) is None}
        to_compute = [block for block in self._mine(COMPUTE.missing(store)) if block[0] in ready]
        for name in {name for name, _ in to_compute}:  # what was read back of older chunks proves nothing now
            store.forget(QUANTITIES[name].read_back)
        self._each(COMPUTE, to_compute, write)
        self._each(DIFFERENCES, self._mine(DIFFERENCES.missing(store)), write)
        check_unchanged(self.prepared, store, to_compute)
        unread = self._mine(READ_BACK.missing(store))
        waiting = {name for name in {name for name, _ in unread} if not self._can_be_read_back(name)}
        checks = {
            name: read_back_check(QUANTITIES[name], context, store.read) for name in {n for n, _ in unread} - waiting
        }
        to_read = [block for block in unread if block[0] in checks]
        self._each(READ_BACK, to_read, lambda name, block: read_back_blocks(checks[name], store, name, [block]))
        return ShardOutcome(len(to_compute), len(to_read), tuple(q for q in store.plan.quantities if q in waiting))

    def _can_be_read_back(self, name: str) -> bool:
        sums = QUANTITIES[name].split(self.store.plan)
        compared = sums is None or bool(self.store.done(sums.differences.name).all())
        return compared and bool(self.store.done(name).all())

    def _mine(self, blocks: list[Block]) -> list[Block]:
        return [block for block in blocks if shard_of(self.store, block, self.n_shards) == self.index]

    def _each(self, stage: Stage, blocks: list[Block], do: Callable[[str, int], int]) -> None:
        """Do something to each block, a few times if it fails; what is given up is told when all others are through."""
        share, failures = bytes_of_blocks(self.store.plan, len(blocks)), list[str]()
        progress = Progress(stage.name, len(blocks), share)
        for name, block in blocks:
            failure = self._tried(stage, name, block, do)
            if failure is not None:
                failures.append(f"{name}, {WORKS[name].label(self.store.plan, block)}: {failure}")
            progress.advance(1)
        progress.close()
        if failures:
            more = [f"and {len(failures) - 10} more"] if len(failures) > 10 else []
            raise IncompleteError("\n".join([
                f"{self.store.storage}, shard {self.index}: {len(failures)} blocks could not be {stage.name}. "
                "Repeat the command to try them again.", *failures[:10], *more]))  # fmt: skip

    def _tried(self, stage: Stage, name: str, block: int, do: Callable[[str, int], int]) -> str | None:
        """Why a block is given up, or None if it is through."""
        of_block = {"shard": self.index, "stage": stage.name, "quantity": name, "blocks": [block]}
        for _ in range(ATTEMPTS):
            try:
                with measured("checks" if stage is READ_BACK else PARTS[0]) as clock:
                    clock.n_bytes = do(name, block)
            except DiskError:
                raise
            except ChunkError as error:  # the damaged chunks are gone: their shard computes them again
                tell(f"{error} Its shard must compute it again.")
                return str(error)
            except Exception as error:  # whatever a kernel or a file system raises
                why = f"{type(error).__name__}: {error}"
                self.log.write("failed", **of_block, error=why)
            else:
                self.log.write("blocks", **of_block, **clock.reading())
                return None
        return why
