"""Workers that load this file (Dask's ``preload``) sleep for each block; nothing is computed, checked or written."""

from __future__ import annotations

import os
import time
from typing import Any

from jachess.batch import tasks

SECONDS = "JACHESS_BENCHMARK_SECONDS"
"""Names the variable that says how long."""


def dask_setup(worker: Any) -> None:
    """Called by Dask when a worker has started."""
    seconds = float(os.environ[SECONDS])

    def asleep(context: Any, store: Any, quantity: str, blocks: tasks.Blocks) -> int:
        time.sleep(seconds * len(blocks))
        return 0

    tasks.write_blocks = asleep
