"""A store in a bucket of an object store, through obstore, which repeats what fails on the way.

A PUT replaces an object whole, and returns when it is stored for good; nothing can be renamed. So the root's metadata
are written last when a store is created: without them nothing is there that Zarr, or we, would open.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cache, partial
from importlib.util import find_spec
from typing import Any, BinaryIO

import zarr

from jachess.batch.storage.bucket_file import BucketFile
from jachess.batch.storage.bucket_lock import BucketLock
from jachess.batch.storage.lock import Lock
from jachess.batch.storage.obstore_errors import again, told
from jachess.batch.storage.record import Storage
from jachess.errors import StoreError

_ROOT = "zarr.json"
_PAGE = 1000
_PATIENCE: dict[str, Any] = {
    "max_retries": 1000,
    "retry_timeout": timedelta(minutes=5),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=10), "base": 2},
}
"""How long work waits for an object store that fails: obstore's own choice, ten attempts, is over within seconds."""


class Bucket(Storage):
    """All objects below a key of a bucket."""

    def __init__(self, scheme: str, bucket: str, key: str) -> None:
        self._root = f"{scheme}://{bucket}"
        super().__init__(f"{scheme}://{bucket + '/' if bucket else ''}{key}")
        if find_spec("obstore") is None:
            raise StoreError(f"{self}: needs obstore. Install it: pip install 'jachess[cloud]'.")
        self.key = key
        self.in_process = scheme == "memory"
        self._unfinished = f"{key}.creating"

    @property
    def _objects(self) -> Any:
        return _bucket(self._root, True)

    def zarr(self) -> Any:
        """Each of its chunks is one object, written by one PUT."""
        return zarr.storage.StorePath(_Objects(self._objects), self.key)

    def open(self) -> BinaryIO:
        """Read by ranges."""
        return BucketFile.open(self._objects, self.key, self.name)

    def exists(self) -> bool:
        """Whether there is any object."""
        return next(self.sizes(""), None) is not None

    def reach(self) -> None:
        """One request without much patience: a wrong end point shows within seconds."""
        import obstore

        with told(self.name), contextlib.suppress(FileNotFoundError, obstore.exceptions.PermissionDeniedError):
            _bucket(self._root, False).head(f"{self.key}/{_ROOT}")

    def check(self) -> None:
        """The bucket must be there, and allow us to look into it."""
        self.reach()
        self.exists()

    def free_bytes(self) -> int | None:
        """Nobody knows."""
        return None

    def create(self, files: Mapping[str, bytes]) -> None:
        """A mark says that creation is under way; the root's metadata come last, and must not be there before."""
        if self.exists():
            raise StoreError(f"{self}: something is there already. Choose another place.")
        self._put(self._unfinished, b"")
        for key, content in files.items():
            if key != _ROOT:
                self._put(f"{self.key}/{key}", content)
        self._put(f"{self.key}/{_ROOT}", files[_ROOT])
        self._delete([self._unfinished])

    def settle(self, keys: Iterable[str]) -> None:
        """They have been since their PUT was answered: it is enough to let them be written."""
        deque(keys, maxlen=0)

    def size(self, key: str) -> int | None:
        """By asking for it."""
        with told(self.name):
            try:
                return int(again(partial(self._objects.head, f"{self.key}/{key}"))["size"])
            except FileNotFoundError:
                return None

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """As the bucket lists them, page by page."""
        return self._sizes(f"{self.key}/{prefix}".rstrip("/"))

    def _sizes(self, start: str) -> Iterator[tuple[str, int]]:
        page = self._page(start, None)
        while page:
            for found in page:
                yield found["path"][len(start) + 1 :], int(found["size"])
            page = self._page(start, page[-1]["path"]) if len(page) == _PAGE else []

    def _page(self, start: str, after: str | None) -> Any:
        listed = partial(self._objects.list, start, offset=after, chunk_size=_PAGE)
        with told(self.name):
            return again(lambda: next(iter(listed()), []))

    def delete(self, prefix: str) -> None:
        """All that is listed there."""
        start = f"{self.key}/{prefix}".rstrip("/")
        self._delete([f"{start}/{key}" for key, _ in self.sizes(prefix)])

    def delete_keys(self, keys: Iterable[str]) -> None:
        """One by one."""
        self._delete([f"{self.key}/{key}" for key in keys])

    def remove(self) -> None:
        """First the root's metadata, so that what is left on the way is no store."""
        self._put(self._unfinished, b"")
        self._delete([f"{self.key}/{_ROOT}"])
        self.remove_unfinished()

    def remove_unfinished(self) -> None:
        """Only under the mark of a creation: without it, what is there is not ours to remove."""
        with told(self.name):
            try:
                self._objects.head(self._unfinished)
            except FileNotFoundError:
                return
        if self.size(_ROOT) is None:
            self.delete("")
        self._delete([self._unfinished])

    def sweep(self) -> None:
        """A PUT that was cut off leaves nothing."""

    def folders(self) -> list[str]:
        """One request, which does not look into them."""
        with told(self.name):
            found = again(partial(self._objects.list_with_delimiter, self.key))
        return sorted(str(path).rpartition("/")[2] for path in found["common_prefixes"])

    def led(self) -> Bucket:
        """By an object that holds a name, since a bucket knows no links."""
        with told(self.name):
            try:
                target = bytes(_bucket(self._root, False).get(self.key).bytes()).decode()
            except FileNotFoundError:
                return self
        scheme, _, bucket = self._root.partition("://")
        return Bucket(scheme, bucket, f"{self.key.rpartition('/')[0]}/{target}".lstrip("/"))

    def point(self, target: str) -> None:
        """One PUT."""
        self._put(self.key, target.encode())

    def lock(self, shard: int | None = None) -> Lock:
        """An object beside the store."""
        key = f"{self.key}.lock" if shard is None else f"{self.key}.shards/{shard}"
        return BucketLock(self.name, _bucket(self._root, False), key, shard)

    def locked_shards(self) -> list[int]:
        """As the bucket lists them."""
        return [int(key) for key, _ in self._sizes(f"{self.key}.shards") if key.isdecimal()]

    def _put(self, key: str, content: bytes) -> None:
        with told(self.name):
            self._objects.put(key, content, use_multipart=False)

    def _delete(self, keys: list[str]) -> None:
        with told(self.name):
            for key in keys:
                with contextlib.suppress(FileNotFoundError):  # some object stores complain of what is gone already
                    again(partial(self._objects.delete, key))


@cache
def _bucket(root: str, patient: bool) -> Any:
    """The bucket; credentials, region and end point come from the environment, as obstore reads it."""
    from obstore.store import MemoryStore, from_url

    if root == "memory://":
        return _bucket(root, True) if not patient else MemoryStore()
    with told(root):
        return from_url(root, retry_config=_PATIENCE) if patient else from_url(root)


class _Objects(zarr.storage.ObjectStore[Any]):
    """As Zarr's own, but a chunk of any size is one PUT, of which nothing is left if it is cut off; errors are ours."""

    def __str__(self) -> str:
        # obstore's own word for an Azure store panics where the account's name comes from the environment
        return f"object_store://{type(self.store).__name__}"

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        with told(key):
            return await super().get(key, prototype, byte_range)

    async def exists(self, key: str) -> bool:
        def found() -> bool:
            with contextlib.suppress(FileNotFoundError):
                self.store.head(key)
                return True
            return False

        with told(key):
            return await asyncio.to_thread(again, found)

    async def set(self, key: str, value: Any) -> None:
        self._check_writable()
        with told(key):
            await self.store.put_async(key, value.as_buffer_like(), use_multipart=False)

    async def set_if_not_exists(self, key: str, value: Any) -> None:
        # Only the holder of the store's lock creates anything. A PUT under a condition could not be repeated.
        if not await self.exists(key):
            await self.set(key, value)
