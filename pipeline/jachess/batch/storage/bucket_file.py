"""An object of a bucket as a file that is read here and there."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from jachess.batch.storage.obstore_errors import told
from jachess.errors import StoreError

_AHEAD = 1 << 20
"""Bytes that one request brings at least."""


class BucketFile(io.RawIOBase):
    """Reads an object by ranges."""

    def __init__(self, bucket: Any, key: str, size: int, name: str) -> None:
        self._bucket, self._key, self._size, self._name, self._at = bucket, key, size, name, 0

    @classmethod
    def open(cls, bucket: Any, key: str, name: str) -> BinaryIO:
        """The object as a buffered file.

        Raises
        ------
        StoreError
            If there is no such object.
        """
        with told(name):
            try:
                size = int(bucket.head(key)["size"])
            except FileNotFoundError as error:
                raise StoreError(f"{name}: there is no such file.") from error
        return io.BufferedReader(cls(bucket, key, size, name), _AHEAD)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Only remembers where to read next."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """One request for as many bytes as are asked for and there."""
        stop = min(self._at + len(buffer), self._size)
        if stop <= self._at:
            return 0
        with told(self._name):
            part = self._bucket.get_range(self._key, start=self._at, end=stop)
        buffer[: len(part)] = memoryview(part)
        self._at += len(part)
        return len(part)
