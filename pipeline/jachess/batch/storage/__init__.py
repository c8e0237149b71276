"""Where a store's bytes lie: a folder, or a bucket of an object store. What a store is does not depend on it."""

from __future__ import annotations

import re
from pathlib import Path

from jachess.batch.storage.bucket import Bucket
from jachess.batch.storage.folder import Folder
from jachess.batch.storage.record import Storage
from jachess.errors import StoreError

SCHEMES = ("s3", "gs", "az", "memory")
"""Of the URLs that are understood: Amazon S3 and what speaks like it, Google, Azure, and the memory of this process."""


def is_url(text: str | Path) -> bool:
    """Whether a place is named by a URL, not by a local path."""
    return "://" in str(text)


def absolute(text: str | Path) -> str:
    """The same place, named so that it does not depend on the current folder."""
    return str(text) if is_url(text) else str(Path(text).absolute())


def storage_of(text: str | Path | Storage) -> Storage:
    """The storage at a local path or a URL; nothing is read yet. A storage is what it is.

    Raises
    ------
    StoreError
        If the URL is of a kind that is not understood, or names no place inside a bucket.
    """
    if isinstance(text, Storage):
        return text
    if not is_url(text):
        return Folder(Path(text))
    scheme, _, rest = str(text).partition("://")
    if scheme not in SCHEMES:
        raise StoreError(
            f"{text}: no such kind of place (wanted a local path, or {', '.join(s + '://' for s in SCHEMES)})."
        )
    bucket, _, key = ("", "", rest) if scheme == "memory" else rest.partition("/")
    parts = key.rstrip("/").split("/")
    if not (scheme == "memory" or re.fullmatch(r"[A-Za-z0-9._-]+", bucket)) or not all(map(_is_name, parts)):
        raise StoreError(f"{text}: names no place in a bucket (wanted {scheme}://bucket/folder/name.zarr).")
    return Bucket(scheme, bucket, "/".join(parts))


def _is_name(part: str) -> bool:
    return part.isprintable() and part not in ("", ".", "..")


__all__ = ["SCHEMES", "Storage", "absolute", "is_url", "storage_of"]
