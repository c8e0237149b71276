"""One run at a time on a store, or on a shard of it: a lock beside it, kept fresh by a heartbeat."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from jachess.errors import StoreError

HEARTBEAT = 5.0
"""Seconds between two signs of life."""
STALE = 60.0
"""Seconds without one after which the holder counts as dead; on the same machine its process is looked for."""
_TRIES = 10


@dataclass(frozen=True)
class Seen:
    """A lock as it was found.

    Attributes
    ----------
    holder : dict
        What its holder wrote: host, process, and a token; empty if it died before.
    age : float
        Seconds since the last sign of life.
    version : Any
        Changes with every sign of life, where the place tells.
    """

    holder: dict[str, Any]
    age: float
    version: Any = None


class Lock(ABC):
    """The lock of a store, or of one shard of it, as a context.

    Raises
    ------
    StoreError
        On entering, if another run that is alive holds it.
    """

    heartbeat, stale = HEARTBEAT, STALE

    def __init__(self, store: str, shard: int | None = None) -> None:
        self.store = store if shard is None else f"{store}, shard {shard}"
        self.holder = {**_this_process(), "token": uuid.uuid4().hex}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Lock:
        for _ in range(_TRIES):
            if self._create() or self._take_over_if_stale():
                self._thread = threading.Thread(target=self._live, name="jachess-lock", daemon=True)
                self._thread.start()
                return self
        raise StoreError(f"{self.store}: its lock changes hands too quickly. Try again.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._release()

    def _live(self) -> None:
        while not self._stop.wait(self.heartbeat):
            self._beat()

    def is_held(self) -> bool:
        """Whether a run that is alive holds it."""
        seen = self._look()
        return seen is not None and not self._is_dead(seen)

    def await_sign(self) -> None:
        """Wait until a holder on another machine has shown that it lives, or counts as dead: `STALE` seconds at most.

        A job that is started again on another machine finds the lock of its own dead predecessor.
        """
        age, seen = -1.0, self._look()
        while seen is not None and age < seen.age and not self._is_dead(seen) and not is_here(seen.holder):
            time.sleep(self.heartbeat)
            age, seen = seen.age, self._look()

    def _take_over_if_stale(self) -> bool:
        seen = self._look()
        if seen is None:
            return False
        if not self._is_dead(seen):
            raise StoreError(
                f"{self.store}: in use by another run (process {seen.holder.get('pid', '?')} on "
                f"{seen.holder.get('host', '?')}, last sign of life {seen.age:.0f} s ago). Wait for it, or stop it."
            )
        return self._take_over(seen)

    def _is_dead(self, seen: Seen) -> bool:
        """Whether a holder is no more: no sign of life for long, or its process is gone from this machine."""
        if seen.age > self.stale or (not seen.holder and seen.age > self.heartbeat):
            return True
        return is_gone(seen.holder)

    def _text(self) -> bytes:
        return json.dumps(self.holder).encode()

    @abstractmethod
    def _create(self) -> bool:
        """Make the lock; False if there is one."""

    @abstractmethod
    def _look(self) -> Seen | None:
        """The lock that is there."""

    @abstractmethod
    def _take_over(self, seen: Seen) -> bool:
        """Make a dead holder's lock ours, or put it out of the way; True if it is ours now."""

    @abstractmethod
    def _beat(self) -> None:
        """Give a sign of life; a failure is met by the writers too, and is no concern of the lock."""

    @abstractmethod
    def _release(self) -> None:
        """Remove the lock, if it is still ours."""


def holder_of(text: bytes) -> dict[str, Any]:
    """What the holder wrote; empty if it died before it wrote, or the text is damaged: only its age can tell then."""
    try:
        given = json.loads(text)
    except ValueError:
        return {}
    return given if isinstance(given, dict) and isinstance(given.get("pid"), int) else {}


def is_gone(holder: dict[str, Any]) -> bool:
    """Whether a holder ran on this machine, since it was started, and its process has ended.

    A machine of the same name that was started at another time may be another one: there the age decides.
    """
    return is_here(holder) and _started(holder["pid"]) != holder.get("started")


def is_here(holder: dict[str, Any]) -> bool:
    """Whether a holder ran on this machine, since it was started."""
    return holder.get("host") == socket.gethostname() and holder.get("boot") == _boot()


def _this_process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "boot": _boot(), "started": _started(os.getpid())}


def _boot() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def _started(pid: int) -> str:
    """When a process started, so that another with the same number is not taken for it; empty if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc").exists():
            return ""
        try:  # no /proc: a signal of 0 only asks
            os.kill(pid, 0)
        except OSError:
            return ""
        return "alive"
    return "" if fields[0] == "Z" else fields[19]
