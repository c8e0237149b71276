"""What holds of every place that a store may lie in: a folder, the memory of the process, an S3-compatible server."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from jachess.batch.storage import Storage, storage_of
from jachess.batch.storage.lock import Lock
from jachess.errors import StoreError
from tests.conftest import longer
from tests.object_store import ObjectStore

FILES = {"zarr.json": b"{}", "a/zarr.json": b"{}", "a/c/0/0": b"first", "a/c/0/1": b"second", "a/c/10/0": b""}


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Somewhere where nothing is."""
    if request.param == "folder":
        return storage_of(tmp_path / "out.zarr")
    pytest.importorskip("obstore")
    if request.param == "s3":
        request.getfixturevalue("server")
    scheme = {"memory": "memory://", "s3": "s3://bucket/"}[request.param]
    return storage_of(f"{scheme}{tmp_path.name}/out.zarr")


def everything(place: Storage) -> set[str]:
    """What is there, and beside it."""
    parent = storage_of(str(place).rpartition("/")[0])
    return {key for key, _ in parent.sizes("")}


class Interrupted(dict[str, bytes]):
    """Files of a store whose creation ends in the middle."""

    def __init__(self, count: int) -> None:
        super().__init__(FILES)
        self.count = count

    def items(self) -> Iterator[tuple[str, bytes]]:  # type: ignore[override]
        for number, item in enumerate(FILES.items()):
            if number == self.count:
                raise KeyboardInterrupt
            yield item


def test_a_new_store_is_there_as_it_was_given(place: Storage) -> None:
    assert not place.exists()
    assert list(place.sizes("")) == []
    place.check()
    place.create(FILES)
    assert place.exists()
    assert dict(place.sizes("")) == {key: len(content) for key, content in FILES.items()}
    assert dict(place.sizes("a/c")) == {"0/0": 5, "0/1": 6, "10/0": 0}
    assert (place.size("a/c/0/1"), place.size("a/c/1/1")) == (6, None)
    with pytest.raises(StoreError, match="something is there already"):
        place.create(FILES)
    place.delete("a/c")
    assert set(dict(place.sizes(""))) == {"zarr.json", "a/zarr.json"}
    place.remove()
    assert not place.exists()
    assert everything(place) == set()


@pytest.mark.parametrize("count", range(len(FILES)))
def test_half_a_store_is_no_store_and_is_swept(place: Storage, count: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        place.create(Interrupted(count))
    assert place.size("zarr.json") is None
    place.remove_unfinished()
    assert everything(place) == set()
    place.create(FILES)
    assert place.size("zarr.json") == 2


def test_what_is_not_ours_is_left_alone(place: Storage) -> None:
    storage_of(f"{place}/not-ours").create(FILES)
    place.remove_unfinished()
    assert dict(place.sizes("not-ours")) == {key: len(content) for key, content in FILES.items()}
    with pytest.raises(StoreError, match="something is there already"):
        place.create(FILES)


def test_a_second_run_is_refused_until_the_first_ends(place: Storage) -> None:
    with place.lock():
        with pytest.raises(StoreError, match=f"process {os.getpid()}"), place.lock():
            pass
        assert everything(place) == {"out.zarr.lock"}
    with place.lock():
        pass
    assert everything(place) == set()


def stale(lock: Lock, **holder: object) -> Lock:
    """A lock as another holder left it."""
    lock.holder.update(holder)
    assert lock._create()
    return lock


def test_the_lock_of_a_dead_process_is_taken_over_at_once(place: Storage) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    stale(place.lock(), pid=ended.pid)
    with place.lock():
        pass
    assert everything(place) == set()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks that live faster."""
    monkeypatch.setattr(Lock, "heartbeat", 0.1)
    monkeypatch.setattr(Lock, "stale", 1.5)


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
def test_a_lock_from_another_machine_is_judged_by_its_signs_of_life(place: Storage) -> None:
    silent = stale(place.lock(), host="elsewhere")
    with pytest.raises(StoreError, match="on elsewhere, last sign of life"), place.lock():
        pass
    time.sleep(3)  # the server tells whole seconds
    with place.lock():
        silent._beat()
        silent._release()
        with pytest.raises(StoreError, match=f"process {os.getpid()}"), place.lock():
            pass
    assert everything(place) == set()


@pytest.mark.usefixtures("hasty")
def test_a_wrong_clock_does_not_make_a_living_holder_look_dead(place: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    if str(place).startswith("/"):
        pytest.skip("the clock of a local disk is ours")
    living = place.lock()
    living.holder["host"] = "elsewhere"
    with living:
        monkeypatch.setattr(Lock, "stale", 0.0)
        with pytest.raises(StoreError, match="on elsewhere"), place.lock():
            pass


@pytest.mark.parametrize("fault", longer(["503 after", "cut", "reset", "reset after"], but=["cut"]))
@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_lock_is_given_back_though_every_other_answer_fails(place: Storage, server: ObjectStore, fault: str) -> None:
    for _ in range(5):
        lock = place.lock()
        lock.__enter__()
        with server.faults.failing(0.5, fault):
            lock.__exit__(None, None, None)
        assert everything(place) == set()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("dead", [False, True])
def test_of_many_one_gets_the_lock(place: Storage, request: pytest.FixtureRequest, dead: bool) -> None:
    if dead:
        stale(place.lock(), pid=1 << 30)
    got, all_tried = [], threading.Barrier(8)

    def contend() -> None:
        lock = place.lock()
        try:
            lock.__enter__()
            got.append(lock)
        except StoreError:
            pass
        all_tried.wait(60)

    threads = [threading.Thread(target=contend) for _ in range(8)]
    in_s3 = str(place).startswith("s3")
    with request.getfixturevalue("server").faults.failing(0.3) if in_s3 else nullcontext():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        got[0].__exit__(None, None, None)
    assert everything(place) == set()
