"""A place for the versions of a result.

::

    DIR/versions/ID.zarr    one store for each fingerprint of network, points, targets, job and numerics
    DIR/latest              leads to the one that is published
    DIR/latest.lock         held by the run that is at work here

In a folder ``latest`` is a symbolic link, so plain Zarr opens it; in a bucket it is an object that holds
``versions/ID.zarr``. Either is replaced as a whole. What versions there are, and their verdicts, is read from the
stores themselves: there is no list beside them that could say something else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jachess.batch.plan import Plan
from jachess.batch.storage import Storage, is_url, storage_of
from jachess.batch.store import Store
from jachess.checks.verdict import Verdict
from jachess.errors import IncompleteError, StoreError

_ID = re.compile(r"([0-9a-f]{16})\.zarr\b.*")


@dataclass(frozen=True)
class Version:
    """A version of a result.

    Attributes
    ----------
    id : str
        The beginning of its fingerprint.
    out : str
        Path or URL of its store.
    state : str
        ``running``, ``complete`` or ``failed``.
    created, finished : str
        When; ``finished`` is empty before it is complete.
    verdict : Verdict or None
    published : bool
        Whether ``latest`` leads to it.
    """

    id: str
    out: str
    state: str
    created: str
    finished: str
    verdict: Verdict | None
    published: bool

    def as_dict(self) -> dict[str, Any]:
        """The version as JSON can hold it."""
        verdict = None if self.verdict is None else self.verdict.as_dict()
        return {**self.__dict__, "verdict": verdict}


class Versions:
    """The versions of a result at a path or URL; nothing is read yet.

    Raises
    ------
    StoreError
        If the place is something else.
    """

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/") or "/"
        self._latest = storage_of(f"{self.place}/latest")
        self._all = storage_of(f"{self.place}/versions")

    def check(self) -> None:
        """Refuse a place that is something else than a folder for versions."""
        if is_url(self.place):
            self._latest.reach()
            return
        folder, latest = Path(self.place), Path(self.place, "latest")
        if not folder.absolute().parent.is_dir():
            raise StoreError(f"{folder}: its folder does not exist. Create it first: mkdir -p {folder.parent}")
        other = (folder.exists() and not folder.is_dir()) or (folder / "zarr.json").exists()
        if other or (latest.exists() and not latest.is_symlink()):
            raise StoreError(f"{folder}: something else is there already. Choose another place for versions.")

    def create(self) -> None:
        """Make the folders, as far as they are not there."""
        if not is_url(self.place):
            try:
                Path(self.place, "versions").mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"{self.place}: cannot be made ({error.strerror}). Choose another place.") from error

    def storage(self, id: str) -> Storage:
        """Where a version is, or would be."""
        return storage_of(f"{self._all}/{id}.zarr")

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Be the only run that is at work here: kept by signs of life, and taken over from a dead one.

        Raises
        ------
        IncompleteError
            If another run that is alive holds it.
        """
        lock = self._latest.lock()
        with ExitStack() as held:
            try:
                held.enter_context(lock)
            except StoreError as error:
                if not lock.is_held():
                    raise
                raise IncompleteError(str(error)) from error
            yield

    def published(self) -> str | None:
        """The version that ``latest`` leads to."""
        found = _ID.fullmatch(str(self._latest.led()).rpartition("/")[2])
        return None if found is None else found[1]

    def publish(self, id: str) -> None:
        """Let ``latest`` lead to a version, from one moment to the next. For the holder of the lease."""
        self._latest.remove_unfinished()
        self._latest.point(f"versions/{id}.zarr")

    def _ids(self) -> list[str]:
        """Of all that is there, also of what is half removed."""
        return sorted({found[1] for name in self._all.folders() if (found := _ID.fullmatch(name))})

    def all(self) -> list[Version]:
        """All versions, the oldest first.

        Raises
        ------
        StoreError
            If there is no place for versions.
        """
        if not is_url(self.place) and not Path(str(self._all)).is_dir():
            raise StoreError(f"{self.place}: no versions are here. Make the first: jachess run JOB --publish DIR")
        found, published = [], self.published()
        for id in self._ids():
            storage = self.storage(id)
            if storage.size("zarr.json") is None:
                continue  # not whole yet, or not any more
            attributes = Store(storage).attributes
            verdict = attributes.get("verdict")
            found.append(
                Version(
                    id,
                    str(storage),
                    attributes["state"],
                    attributes["created_time"],
                    attributes.get("finished_time", ""),
                    None if verdict is None else Verdict.from_dict(verdict),
                    id == published,
                )
            )
        return sorted(found, key=lambda version: (version.finished or version.created, version.created, version.id))

    def prune(self, keep: int, current: str) -> list[str]:
        """Remove the oldest versions until ``keep`` are left, but neither the published one nor ``current``.

        For the holder of the lease. What a run that died left half made, or half removed, goes too.

        Returns
        -------
        list of str
            Those that are gone.
        """
        versions = self.all()
        present = {version.id for version in versions}
        old = [version.id for version in versions if not version.published and version.id != current]
        gone = old[: max(0, len(present) - keep)]
        for id in self._ids():
            storage = self.storage(id)
            if id in present and id not in gone:
                continue
            with suppress(StoreError), storage.lock():  # who is at work on it without asking here may go on
                if id in present:
                    storage.remove()
                storage.remove_unfinished()
        return [id for id in gone if self.storage(id).size("zarr.json") is None]


def fingerprint(plan: Plan) -> str:
    """What decides whether a result is still that of a job: contents of network, points and targets, job, numerics."""
    told = json.dumps({"contents": dict(plan.fingerprints), "job": dict(plan.identity)}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
