"""A disk that fills up or becomes read-only while a run is at work: said, exit 3, and the same command goes on later.

The whole scene plays in a mount namespace of its own, on a small disk in memory.
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jachess.batch.new_store import create_store
from jachess.batch.prepare import axis_labels
from jachess.batch.run import plan_job
from jachess.batch.stages import COMPUTE
from jachess.errors import DiskError
from tests.batch.runs import chunks, ended, held, start
from tests.conftest import Files

MAY_MOUNT = not subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode


def scene(folder: Path, arguments: list[str]) -> None:
    """What happens in the namespace; `folder` is kept, the small disk is not."""
    disk = folder / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=48m", "small", str(disk))
    with held(arguments, folder, "jacobian 4") as run:
        fill(disk / "filler")
    _, err = ended(run, 3)
    assert f"{disk}/out.zarr: cannot be written any more (No space left on device). Make room" in err
    assert len(err.splitlines()) == 1

    (disk / "filler").unlink()
    with held(arguments, folder, "jacobian 4") as run:
        mount("--bind", str(disk), str(disk))
        read_only(disk)
    _, err = ended(run, 3)
    assert f"{disk}/out.zarr: cannot be written any more (Read-only file system)" in err
    _, err = ended(start(arguments), 2)
    assert "cannot be written" in err

    subprocess.run(["umount", str(disk)], check=True)
    out, _ = ended(start(arguments), 0)
    assert "verified" in out
    assert {file.name for file in disk.iterdir()} == {"out.zarr", "out.zarr.log"}
    shutil.copytree(disk / "out.zarr", folder / "out.zarr")


def fill(file: Path) -> None:
    """Write until the disk takes no more."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(1 << 16))


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def read_only(disk: Path) -> None:
    """Between two writes: a disk that is being written to cannot be made so."""
    for _ in range(100):
        if not subprocess.run(["mount", "-o", "remount,ro,bind", str(disk)], stderr=subprocess.DEVNULL).returncode:
            return
        time.sleep(0.02)
    raise AssertionError("the disk was written to all the time")


@pytest.mark.slow
@pytest.mark.skipif(not MAY_MOUNT, reason="mounting needs a user namespace")
def test_a_run_says_that_the_disk_is_full_or_read_only_and_goes_on_later(
    files: Files, result: Path, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-m", "tests.batch.test_disk", str(tmp_path), str(files.folder)]
    played = subprocess.run(["unshare", "-rm", *arguments], capture_output=True, text=True, timeout=250, check=False)
    assert played.returncode == 0, played.stderr
    assert chunks(tmp_path / "out.zarr") == chunks(result)


def test_what_a_limit_forbids_to_write_is_told_as_a_full_disk(files: Files, tmp_path: Path) -> None:
    """As in the scene, but everywhere: a quota on the size of files."""
    prepared = plan_job(files.job())
    store = create_store(tmp_path / "out.zarr", prepared.plan, {}, axis_labels(prepared.plan, prepared.network))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(DiskError, match=r"cannot be written any more \(File too large"):
            store.write([("hessian", (slice(0, 51), slice(0, 51)), np.zeros((51, 51)))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert COMPUTE.missing(store)


if __name__ == "__main__":
    from tests.batch.runs import flags

    here, job = map(Path, sys.argv[1:])
    scene(here, flags(Files(job, None, None), here / "disk" / "out.zarr"))  # type: ignore[arg-type]
