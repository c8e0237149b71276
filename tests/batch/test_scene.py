"""A run as others on the machine see it: held in its middle, refused to a second, watched, killed, moved, gone on with.

The scene is played once; each test looks at another part of it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.batch.runs import Run, chunks, descendants, ended, flags, held, kill_group, log_of, start
from tests.conftest import Files


@dataclass(frozen=True)
class Scene:
    """What was seen."""

    listening: list[str]
    refused: str
    log_of_killed: list[dict[str, Any]]
    watched_killed: tuple[str, str]
    left_behind: set[str]
    resumed: str
    watched_resumed: tuple[str, str]
    out: Path


@pytest.fixture(scope="module")
def scene(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")
    marks = tmp_path_factory.mktemp("marks")
    arguments = flags(files, here / "out.zarr")
    with held(arguments, marks, "jacobian 4") as run:
        listening = listening_sockets([run.pid, *descendants(run.pid)])
        _, refused = ended(start(arguments), 2)
        watch, first_line = watching(here / "out.zarr")
        kill_group(run)
    log_of_killed = log_of(here / "out.zarr")
    watched_killed = ended(watch, 3)
    left_behind = {file.name for file in here.iterdir()}

    shutil.move(here / "out.zarr", there / "moved.zarr")
    job = Path(shutil.copytree(files.folder, there / "job", ignore=shutil.ignore_patterns("*.zarr*")))
    with held(flags(replace(files, folder=job), there / "moved.zarr"), marks, "jacobian 4") as run:
        watch, first_line_again = watching(there / "moved.zarr")
    resumed, _ = ended(run, 0)
    watched_resumed = ended(watch, 0)
    return Scene(
        listening,
        refused,
        log_of_killed,
        (first_line, watched_killed[0]),
        left_behind,
        resumed,
        (first_line_again, watched_resumed[0]),
        there / "moved.zarr",
    )


def watching(store: Path) -> tuple[Run, str]:
    """A command that follows the run on a store, and the first line of what it says."""
    watch = start([str(store), "--watch"], "status")
    assert watch.stderr is not None
    return watch, watch.stderr.readline()


def listening_sockets(pids: list[int]) -> list[str]:
    """Addresses, in hexadecimal, on which some processes listen."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                inodes.add(str(link.readlink()))
            except OSError:
                continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                found.append(fields[1].partition(":")[0])
    return found


@pytest.mark.slow
def test_all_that_a_run_starts_listens_on_loopback(scene: Scene) -> None:
    assert len(scene.listening) >= 5  # scheduler, two nannies, two workers
    assert set(scene.listening) == {"0100007F"}


def test_a_second_run_on_the_same_store_is_refused(scene: Scene) -> None:
    assert "in use by another run (process " in scene.refused


def test_the_log_of_a_killed_run_tells_what_was_done(scene: Scene) -> None:
    events = Counter(entry["event"] for entry in scene.log_of_killed)
    assert events["run"] == events["stage"] == 1
    done = [entry for entry in scene.log_of_killed if entry["event"] == "blocks"]
    blocks = {(entry["quantity"], block) for entry in done for block in entry["blocks"]}
    assert {("outputs", block) for block in range(8)} < blocks
    assert ("jacobian", 4) not in blocks
    for entry in done:
        assert entry["seconds"]["writing"] > 0
        assert entry["bytes"] > 0
        assert 2**25 < entry["peak"] < 2**31
        assert entry["worker"].startswith("tcp://127.0.0.1:")


def test_who_watches_a_killed_run_is_told(scene: Scene) -> None:
    first_line, out = scene.watched_killed
    assert " of 18 blocks" in first_line
    assert "state     running" in out
    assert "jacobian  8 of 8 blocks" not in out


def test_a_store_that_was_moved_is_gone_on_with_elsewhere(scene: Scene, result: Path) -> None:
    assert scene.left_behind == {"out.zarr", "out.zarr.log", "out.zarr.lock"}
    assert "blocks: the others were there already" in scene.resumed
    assert "time      kernels " in scene.resumed
    assert chunks(scene.out) == chunks(result)
    assert {file.name for file in scene.out.parent.iterdir()} == {"moved.zarr", "moved.zarr.log", "job"}


def test_who_watches_a_run_sees_it_end(scene: Scene) -> None:
    first_line, out = scene.watched_resumed
    assert "computed 1" in first_line
    assert "state     complete" in out
    assert "verdict   verified" in out


def test_the_log_has_each_block_of_each_stage_once(scene: Scene) -> None:
    log = log_of(scene.out)
    done = Counter((e["stage"], e["quantity"], b) for e in log if e["event"] == "blocks" for b in e["blocks"])
    assert set(done.values()) == {1}
    assert sum(stage == "read back" for stage, _, _ in done) == 18
    totals = next(entry for entry in log if entry["event"] == "totals")
    assert totals["bytes"] == sum(entry["bytes"] for entry in log if entry["event"] == "blocks")
    assert log[-1] == totals
