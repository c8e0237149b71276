"""One run at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jachess.batch.storage.folder import FileLock
from jachess.batch.storage.lock import STALE
from jachess.errors import StoreError


def test_a_second_run_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    with FileLock(store):
        with pytest.raises(StoreError, match=f"process {os.getpid()}"), FileLock(store):
            pass
        assert (tmp_path / "out.zarr.lock").exists()
    with FileLock(store):
        pass
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    code = f"import os; from pathlib import Path; from jachess.batch.storage.folder import FileLock; FileLock(Path({str(tmp_path / 'out.zarr')!r})).__enter__(); os._exit(9)"  # noqa: E501
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert (tmp_path / "out.zarr.lock").exists()
    with FileLock(tmp_path / "out.zarr"):
        pass


@pytest.mark.parametrize(("age", "taken"), [(STALE + 5, True), (STALE / 2, False)])
def test_another_machine_is_judged_by_its_heartbeat(tmp_path: Path, age: float, taken: bool) -> None:
    lock = tmp_path / "out.zarr.lock"
    lock.write_text(json.dumps({"host": "elsewhere", "pid": 1, "boot": "x", "started": "y"}))
    os.utime(lock, (time.time() - age,) * 2)
    if taken:
        with FileLock(tmp_path / "out.zarr"):
            pass
    else:
        with pytest.raises(StoreError, match="elsewhere"), FileLock(tmp_path / "out.zarr"):
            pass
