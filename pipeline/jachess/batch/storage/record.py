"""What is asked of the place where a store's bytes lie."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from jachess.batch.storage.lock import Lock


class Storage(ABC):
    """A place for the bytes of one store; its keys are those of Zarr, like ``hessian/c/0/3``.

    All of its errors are a StoreError.
    """

    in_process = False
    """Whether only this process sees it."""

    log: Path | None = None
    """Where the log of runs lies, if there is a place for one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def address(self, key: str) -> str:
        """How people name a key."""
        return f"{self.name}/{key}"

    @abstractmethod
    def zarr(self) -> Any:
        """The place as a zarr.storage.StorePath."""

    @abstractmethod
    def open(self) -> BinaryIO:
        """The place as one file, for reading here and there."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether anything is there."""

    @abstractmethod
    def reach(self) -> None:
        """Refuse within seconds a place that does not answer."""

    @abstractmethod
    def check(self) -> None:
        """Refuse a place that a new store cannot be written to."""

    @abstractmethod
    def free_bytes(self) -> int | None:
        """How much still fits, where that is known."""

    @abstractmethod
    def create(self, files: Mapping[str, bytes]) -> None:
        """Write a whole new store: nothing may take half of it for a store, at any moment and after any crash."""

    @abstractmethod
    def settle(self, keys: Iterable[str]) -> None:
        """Take keys one by one, each of which is written as it is taken, and wait until all outlast a power failure."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes of a key, or None if it is not there."""

    @abstractmethod
    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """All keys below a prefix, named from there, and their bytes, in any order."""

    @abstractmethod
    def delete(self, prefix: str) -> None:
        """Remove all keys below a prefix. For the holder of the lock alone."""

    @abstractmethod
    def delete_keys(self, keys: Iterable[str]) -> None:
        """Remove single keys, as far as they are there. For the holder of the lock and its workers."""

    @abstractmethod
    def remove(self) -> None:
        """Remove the whole store. For the holder of the lock alone."""

    @abstractmethod
    def remove_unfinished(self) -> None:
        """Remove stores whose creation was interrupted. For the holder of the lock alone."""

    @abstractmethod
    def sweep(self) -> None:
        """Remove what interrupted writes left in the store. For the holder of the lock alone."""

    @abstractmethod
    def folders(self) -> list[str]:
        """Names of what lies in folders right below."""

    @abstractmethod
    def led(self) -> Storage:
        """Where a pointer that is here leads to now, so that who reads on stays there; without one, this place."""

    @abstractmethod
    def point(self, target: str) -> None:
        """Make a pointer here, or turn the one that is here, to a place named from the folder it lies in.

        At no moment there is none, or half of one.
        """

    @abstractmethod
    def lock(self, shard: int | None = None) -> Lock:
        """The lock of the store there, or that of one shard of it."""

    @abstractmethod
    def locked_shards(self) -> list[int]:
        """Shards whose locks are there, of living or dead."""
