"""One run at a time on a store: a lock file beside it, kept fresh by a heartbeat."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

from jachess.errors import StoreError

HEARTBEAT = 5.0
"""Seconds between two signs of life."""
STALE = 60.0
"""Seconds without one after which the holder counts as dead; on the same machine its process is looked for."""


class Lock:
    """The lock of a store, as a context.

    Raises
    ------
    StoreError
        On entering, if another run that is alive holds it.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self.path = store.with_name(store.name + ".lock")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Lock:
        for _ in range(10):
            if self._create():
                self._thread = threading.Thread(target=self._beat, name="jachess-lock", daemon=True)
                self._thread.start()
                return self
            self._remove_stale()
        raise StoreError(f"{self.path}: the lock changes hands too quickly. Try again.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.path.unlink(missing_ok=True)

    def _create(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written ({error.strerror}). Choose another place.") from error
        with os.fdopen(descriptor, "w") as file:
            json.dump(_holder(), file)
        return True

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            try:
                os.utime(self.path)
            except OSError:  # a full or vanished disk will be met by the writers
                continue

    def _remove_stale(self) -> None:
        """Put a dead holder's lock out of the way; the rename lets one contender alone do it."""
        try:
            holder, age = _read(self.path), time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return
        if not _is_dead(holder, age):
            raise StoreError(
                f"{self.store}: in use by another run (process {holder.get('pid', '?')} on {holder.get('host', '?')}, "
                f"last sign of life {age:.0f} s ago). Wait for it, or stop it."
            )
        aside = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        aside.unlink(missing_ok=True)


def _holder() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "boot": _boot(), "started": _started(os.getpid())}


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError):  # its writer died before it wrote: only its age can tell
        return {}


def _is_dead(holder: dict[str, Any], age: float) -> bool:
    if age > STALE:
        return True
    if holder.get("host") != socket.gethostname():
        return not holder and age > HEARTBEAT
    return holder.get("boot") != _boot() or _started(int(holder["pid"])) != holder.get("started")


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
