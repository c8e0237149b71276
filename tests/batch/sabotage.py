"""Faults in workers: Dask loads this file in each of them (``preload``), and chosen blocks then do a deed of their own.

The deeds are real: the process is killed, stopped, filled with memory. Which block does what is told in the
environment, as JSON: {"hessian 0": "die"}; a deed that ends in " once" is done by the first who comes.
"alter" changes an element after it was checked and written.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dask

from jachess.batch import tasks

DEEDS = "JACHESS_TEST_DEEDS"
FOLDER = "JACHESS_TEST_FOLDER"
"""Where deeds leave their marks."""


def environment(folder: Path, deeds: Mapping[str, str]) -> dict[str, str]:
    """What makes the workers of a run do deeds."""
    preload = {"DASK_DISTRIBUTED__WORKER__PRELOAD": __file__} if deeds else {}
    return {DEEDS: json.dumps(deeds), FOLDER: str(folder), **preload}


@contextmanager
def sabotaged(folder: Path, deeds: Mapping[str, str]) -> Iterator[None]:
    """The same for a run in this process."""
    with patch.dict(os.environ, environment(folder, deeds)), dask.config.set({"distributed.worker.preload": __file__}):
        yield


def dask_setup(worker: Any) -> None:
    """Called by Dask when a worker has started."""
    deeds, write_blocks = json.loads(os.environ[DEEDS]), tasks.write_blocks

    def sabotaged(context: Any, store: Any, quantity: str, blocks: tasks.Blocks) -> int:
        altered = False
        for block in blocks:
            name = f"{quantity} {block}"
            deed, _, once = deeds.get(name, "").partition(" ")
            altered = altered or deed == "alter"
            if deed not in ("", "alter") and (not once or _first(name)):
                _DEEDS[deed]()
        written = write_blocks(context, store, quantity, blocks)
        if altered:
            array = store.array(quantity)
            first = (0,) * array.ndim
            array[first] = array[first] + 1
        return written

    tasks.write_blocks = sabotaged


def _first(name: str) -> bool:
    try:
        os.close(os.open(Path(os.environ[FOLDER]) / f"{name} done", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGSTOP)


def _hang() -> None:
    time.sleep(3600)


def _hog() -> None:
    kept = []
    while True:
        kept.append(b"x" * (20 << 20))
        time.sleep(0.02)


def _wait() -> None:
    """Say that the block is reached, and go on when somebody says so."""
    folder = Path(os.environ[FOLDER])
    (folder / "reached").touch()
    while not (folder / "go on").exists():
        time.sleep(0.01)


def _tear() -> None:
    """Kill everybody when the next file is whole but not yet under its name."""
    Path.replace = lambda path, target: os.killpg(0, signal.SIGKILL)  # type: ignore[assignment, method-assign]


def _break() -> None:
    """This worker alone dies between the last byte of a file and its renaming."""
    os.replace = lambda *_: _die()  # type: ignore[assignment]


_DEEDS = {"die": _die, "stop": _stop, "hang": _hang, "hog": _hog, "wait": _wait, "tear": _tear, "break": _break}
