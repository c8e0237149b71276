"""Following a run from elsewhere: by what its store and its log hold, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jachess.batch.log import LogTail
from jachess.batch.planning import disk_bytes
from jachess.batch.progress import Progress
from jachess.batch.stages import STAGES, Stage
from jachess.batch.storage import storage_of
from jachess.batch.storage.turns import is_in_use
from jachess.batch.store import Store

_PAUSE = 1.0
"""Seconds between two looks, at least."""
_SHARE = 0.05
"""Share of the time that looking may take."""
_NEWS: dict[str, Callable[[dict[str, Any]], str]] = {
    "failed": lambda e: f"{_name(e)} failed: {e['error']}",
    "hangs": lambda e: f"{e['worker']} hung at {_name(e)} for {e['seconds']:.0f} s",
    "damaged": lambda e: str(e["error"]),
    "workers": lambda e: f"{e['count']} workers",
    "cluster lost": lambda e: f"the Dask cluster was lost: {e['why']}",
    "stopped": lambda e: f"the run stopped: {e['why']}",
}
"""Events of the log that are told, and how."""


def follow(path: str | Path, tell: Callable[[str], None]) -> None:
    """Show the progress of a run until it ends, or at once if there is none.

    Parameters
    ----------
    tell : text -> None
        Is given what else happens.

    Raises
    ------
    StoreError
        If there is no result of jachess.
    """
    storage = storage_of(path)
    storage.reach()
    store, log, shown = Store(storage), LogTail(storage.log), dict[Stage, Progress]()
    log.new()  # what was before is past
    held = True
    while held:
        held, started = is_in_use(storage), time.monotonic()
        _show(store, shown)
        for entry in log.new():
            if entry.get("event") in _NEWS:
                tell(_NEWS[entry["event"]](entry))
        if held:
            time.sleep(max(_PAUSE, (time.monotonic() - started) / _SHARE))
    for progress in shown.values():
        progress.close()


def _show(store: Store, shown: dict[Stage, Progress]) -> None:
    for stage in STAGES:
        total = sum(len(blocks) for _, blocks in stage.wanted(store))
        if not total:
            continue
        done = total - len(stage.missing(store))
        if stage not in shown:
            shown[stage] = Progress(stage.name, total, disk_bytes(store.plan), before=done, shown=0.0)
        shown[stage].reach(done)
        if done < total:
            return


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['quantity']}, block {', '.join(map(str, entry['blocks']))},"
