"""The log of runs: one JSON object a line, in a file beside the store; nothing depends on it.

A line is handed to the system as soon as something has happened, so a log tells what a killed run was about. It grows
by one line for each block and stage; a disk that takes no more of it stops the log, not the run.
"""

from __future__ import annotations

import contextlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any


class Log:
    """An open log, as a context; lines are added to those of earlier runs.

    Parameters
    ----------
    path : Path or None
        As `Storage.log`; None for a log that forgets.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file: int | None = None

    def __enter__(self) -> Log:
        if self.path is not None:
            with contextlib.suppress(OSError):
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
                end = os.lseek(self._file, 0, os.SEEK_END)
                if end and os.pread(self._file, 1, end - 1) != b"\n":
                    self._add(b"\n")  # a crash cut the last line short: it shall spoil no other
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def write(self, event: str, **what: Any) -> None:
        """Add a line: the time, the name of what happened, and what belongs to it."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, "event": event, **what}, default=str)
        self._add(f"{line}\n".encode())

    def _add(self, line: bytes) -> None:
        if self._file is not None:
            try:
                os.write(self._file, line)
            except OSError:
                self._close()

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None


class LogTail:
    """The lines of a log that were not read yet."""

    def __init__(self, path: Path | None) -> None:
        self.path, self._read = path, 0

    def new(self) -> list[dict[str, Any]]:
        """Lines that are whole, in order, since the last call; nothing if there is no log."""
        if self.path is None:
            return []
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                text = file.read()
        except OSError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        entries = []
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):
                entries.append(json.loads(line))
        return [entry for entry in entries if isinstance(entry, dict)]
