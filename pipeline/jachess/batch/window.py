"""Blocks on their way through Dask: a sliding window of tasks, refilled as they end.

The scheduler never holds more than the window, and nothing but a task's status is looked at. Results stay where they
are, in the store: a task that Dask calls lost may well be done there.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from jachess.batch.clusters import ClusterLost
from jachess.batch.grouping import Pace, Queue
from jachess.batch.log import Log
from jachess.batch.planning import size
from jachess.batch.progress import Progress, tell
from jachess.batch.quantities import WORKS
from jachess.batch.stages import Stage
from jachess.batch.store import Store
from jachess.batch.tally import Tally
from jachess.batch.tasks import Block
from jachess.batch.watch import Watch, limit
from jachess.errors import ChunkError, DiskError

ATTEMPTS = 3
"""How often a block is tried before it is given up."""
LOOK = 5.0
"""Seconds between two looks at what the workers hold."""
_ANSWER = 60.0
"""Seconds that the scheduler is given to answer."""
_TOO_LARGE = "worker-restart-memory"
"""Topic on which nannies say that they kill a worker which takes too much memory."""


@dataclass
class Window:
    """A stage on its way.

    Short blocks go together in one task; if that fails, each of them goes alone. A block whose own task fails is tried
    again. When a worker dies, nobody can tell which of the tasks it held was to blame: they are all tried again, and a
    block that has met `ATTEMPTS` - 1 deaths is tried after all others, while the workers hold nothing else. So none is
    given up for having been near to one that kills.

    Attributes
    ----------
    run : str
        Name of the run's `WorkerContext`, and topic of its reports.
    patience : float
        Seconds that any block may take before it counts as hanging.
    absence : float
        Seconds for which there may be no workers, beyond that.
    failures : dict of block to text
        Blocks that are given up are put here.
    damaged : bool
        Whether chunks were found damaged, and removed.
    """

    client: Client
    run: str
    store: Store
    stage: Stage
    progress: Progress
    failures: dict[Block, str]
    log: Log
    tally: Tally
    patience: float
    absence: float = 0.0

    def __post_init__(self) -> None:
        self._happened: SimpleQueue[Any] = SimpleQueue()
        self._suspects, self._attempts = deque[Block](), Counter[Block]()
        self._held: dict[str, tuple[str, list[int], Future]] = {}
        self._too_large: dict[str, int] = {}
        self.damaged = False
        self._threads: dict[str, int] = {}
        self._watch, self._looked, self._seen = Watch(self._limit), time.monotonic(), float("inf")

    def pass_through(self, missing: list[Block]) -> None:
        """Do to each block what the stage says.

        Raises
        ------
        ClusterLost
            If the cluster is to be built anew.
        DiskError
            If no worker can write any more.
        """
        for topic in (self.run, _TOO_LARGE):
            self.client.subscribe_topic(topic, lambda event: self._happened.put(event[1]))
        every = min(LOOK, self.patience / 4)
        self._waiting, self._pace = Queue(missing), Pace(1)
        self._look()
        while self._fill():
            try:
                happening = self._happened.get(timeout=every)
                if isinstance(happening, Future):
                    self._ended(happening)
                else:
                    self._reported(happening)
            except Empty:
                pass
            if time.monotonic() - self._looked > every:
                self._look()
        self._count_time(time.monotonic())

    def _fill(self) -> bool:
        """Send blocks to the scheduler up to the width of the window; False if all are through."""
        width = max(64, 4 * self._pace.n_threads)
        while len(self._held) < width:
            name, blocks = self._waiting.take(self._pace)
            if not blocks:
                break
            self._send(name, blocks)
        if self._suspects and not self._held:
            name, block = self._suspects.popleft()
            self._send(name, [block])
        return bool(self._held)

    def _send(self, name: str, blocks: list[int]) -> None:
        key = f"{name}-{blocks[0]}-{self.stage.name}-{uuid.uuid4().hex}"
        future = self.client.submit(self.stage.task, self.run, self.stage.name, name, blocks, key=key, pure=False)
        self._held[key] = name, blocks, future
        future.add_done_callback(self._happened.put)

    def _reported(self, report: dict[str, Any]) -> None:
        """What a worker tells of a task that it begins or has done, or a nanny of a worker that it kills."""
        if "began" in report:
            self._watch.begins(report["worker"], report["began"], time.monotonic())
        elif "rss" in report:
            self._too_large[report["worker"]] = report["rss"]
            self.log.write("out of memory", **report)
        else:
            self.tally.add(report)
            self.log.write("blocks", **report)

    def _ended(self, future: Future) -> None:
        if future.key not in self._held:  # it was given up before
            return
        name, blocks, _ = self._held.pop(future.key)
        status, error = future.status, _error_of(future) if future.status == "error" else None
        future.release()
        if status == "finished":
            self._pace.finished(name, len(blocks))
        left = [] if status == "finished" else self.stage.left(self.store, name, blocks)
        self.progress.advance(len(blocks) - len(left))
        if left and isinstance(error, DiskError):
            raise error
        if left and status != "error" and self.client.status != "running":
            raise ClusterLost("the scheduler does not answer")
        if len(blocks) == 1 and isinstance(error, ChunkError):  # removed where it was found: computed in the next round
            self.damaged = True
            self.log.write("damaged", quantity=name, blocks=blocks, chunks=error.chunks, error=str(error))
            tell(f"{error} It is computed again.")
            return
        why = status if error is None else self._text(error)
        self._failed(name, left, why, grouped=len(blocks) > 1, died=error is None or isinstance(error, KilledWorker))

    def _failed(self, name: str, blocks: list[int], why: str, *, grouped: bool, died: bool) -> None:
        for block in blocks:
            self._attempts[name, block] += not grouped
            attempts = self._attempts[name, block]
            if attempts >= ATTEMPTS:
                self.failures[name, block] = why
            elif died and attempts == ATTEMPTS - 1:
                self._suspects.append((name, block))
            else:
                self._waiting.put_alone((name, block))
        if blocks:
            self.tally.retries += 1
            self.log.write("failed", stage=self.stage.name, quantity=name, blocks=blocks, error=why)

    def _look(self) -> None:
        """See what the workers hold, which of them came and went, and which hang."""
        now = time.monotonic()
        held = self._ask(self.client.scheduler.processing, workers=None)
        self._count_time(now)
        if set(held) != set(self._threads):
            threads = self._ask(self.client.scheduler.ncores, workers=None)
            came, went = sorted(set(threads) - set(self._threads)), sorted(set(self._threads) - set(threads))
            self.log.write("workers", count=len(threads), came=came, went=went)
            self._threads, self._pace.n_threads = threads, max(1, sum(threads.values()))
        if held:
            self._seen = now
        elif now - self._seen > max(self.patience, self.absence, _ANSWER):
            raise ClusterLost("all workers are gone")
        ours = {worker: sorted(self._held.keys() & keys) for worker, keys in held.items()}
        hanging = self._watch.hanging(ours, now)
        for worker, (key, seconds) in hanging.items():
            self._hangs(worker, key, seconds)
        if hanging:
            restart = self.client.scheduler.restart_workers
            how = {"timeout": _ANSWER / 2, "wait_for_workers": False, "on_error": "return", "stimulus_id": "hangs"}
            self._ask(restart, workers=list(hanging), **how)

    def _count_time(self, now: float) -> None:
        self.tally.at_hand += sum(self._threads.values()) * (now - self._looked)
        self._looked = now

    def _ask(self, question: Callable[..., Any], **what: Any) -> Any:
        """The scheduler's answer; no answer means that it is lost."""
        try:
            return self.client.sync(question, **what, callback_timeout=_ANSWER)
        except (OSError, TimeoutError) as error:
            raise ClusterLost("the scheduler does not answer") from error

    def _hangs(self, worker: str, key: str, seconds: float) -> None:
        name, blocks, future = self._held.pop(key)
        future.release()
        which = WORKS[name].label(self.store.plan, blocks[0]) + (" and others" if len(blocks) > 1 else "")
        self.log.write("hangs", worker=worker, quantity=name, blocks=blocks, seconds=round(seconds, 1))
        tell(f"{worker}: hangs at {name}, {which}, for {seconds:.0f} s. Another worker takes its place.")
        self._failed(name, blocks, f"its worker hung for {seconds:.0f} s", grouped=len(blocks) > 1, died=True)

    def _text(self, error: BaseException) -> str:
        if not isinstance(error, KilledWorker):
            return f"{type(error).__name__}: {error}"
        worker = error.last_worker.address
        if worker in self._too_large:
            return f"its worker {worker} was killed because it took {size(self._too_large[worker])} of memory"
        return f"its worker {worker} died"

    def _limit(self, key: str) -> float:
        name, blocks, _ = self._held[key]
        record = WORKS[name]
        operations = record.operations(self.store.plan) / record.n_blocks(self.store.plan)
        longest = self.tally.longest.get((self.stage.name, name))
        return len(blocks) * limit(self.patience, longest, operations, self._attempts[name, blocks[0]])


def _error_of(future: Future) -> BaseException:
    try:
        error: BaseException = future.exception(timeout=5)
        return error
    except Exception as unreachable:  # its worker may be gone, or the error not survive its journey
        return unreachable
