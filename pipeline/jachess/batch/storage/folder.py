"""A store in a local folder: files written under another name, put on the disk, and renamed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import zarr

from jachess.batch.disk import sync, sync_one
from jachess.batch.storage.lock import Lock, Seen, holder_of
from jachess.batch.storage.record import Storage
from jachess.errors import StoreError


class Folder(Storage):
    """A folder of the local file system."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path if path.name not in ("", "..") else path.resolve()
        self.log = self.path.parent / f"{self.path.name}.log"

    def zarr(self) -> Any:
        """Its chunks are written under another name and renamed, which `settle` makes lasting."""
        return zarr.storage.StorePath(zarr.storage.LocalStore(self.path))

    def open(self) -> BinaryIO:
        """The file itself."""
        return self.path.open("rb")

    def exists(self) -> bool:
        """Also if it is something else than a folder."""
        with contextlib.suppress(OSError):  # a name that is too long, say
            return self.path.exists()
        return False

    def reach(self) -> None:
        """A folder needs no asking."""

    def check(self) -> None:
        """The folder that the store goes to must be there and writable; it is not made by accident."""
        parent = self.path.absolute().parent
        try:
            if not parent.is_dir():
                raise StoreError(f"{self}: its folder does not exist. Create it first: mkdir -p {parent}")
            if _is_there(self.path) and not (self.path / "zarr.json").is_file():
                another = self.path / "result.zarr" if self.path.is_dir() else "another place"
                raise StoreError(f"{self}: something else is there already. Choose {another}.")
            if not os.access(parent, os.W_OK):
                raise StoreError(f"{self}: its folder cannot be written. Choose another place.")
        except StoreError:
            raise
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StoreError(f"{self}: is no place for a result ({reason}). Choose another.") from error

    def free_bytes(self) -> int | None:
        """Of the disk."""
        return shutil.disk_usage(next(p for p in self.path.absolute().parents if p.exists())).free

    def create(self, files: Mapping[str, bytes]) -> None:
        """Written under a temporary name, put on the disk, and renamed when it is whole."""
        temporary = self._temporary()
        try:
            if self.exists():
                raise StoreError(f"{self}: something is there already. Choose another place.")
            for key, content in files.items():
                file = temporary / key
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            sync(temporary / key for key in files)
            temporary.rename(self.path)
            sync_one(self.path.parent)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise StoreError(f"{self}: cannot be written ({error.strerror or error}). Choose another place.") from error

    def _temporary(self) -> Path:
        return self.path.with_name(f"{self.path.name}.creating-{uuid.uuid4().hex}")

    def settle(self, keys: Iterable[str]) -> None:
        """Files, and the folders that name them, go to the disk."""
        sync(self.path / key for key in keys)

    def size(self, key: str) -> int | None:
        """Of the file."""
        try:
            return (self.path / key).stat().st_size
        except (OSError, ValueError):  # ValueError: no file can have such a name
            return None

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """One sweep through the folders."""
        return _sweep(str(self.path / prefix), "")

    def delete(self, prefix: str) -> None:
        """The folder of that name."""
        shutil.rmtree(self.path / prefix, ignore_errors=True)

    def delete_keys(self, keys: Iterable[str]) -> None:
        """Their files."""
        for key in keys:
            (self.path / key).unlink(missing_ok=True)

    def remove(self) -> None:
        """The folder and all in it, and the log; it is renamed first, so that nobody takes what is left for a store."""
        if self.log is not None:
            self.log.unlink(missing_ok=True)
        temporary = self._temporary()
        self.path.rename(temporary)
        shutil.rmtree(temporary)

    def remove_unfinished(self) -> None:
        """Those under temporary names."""
        for leftover in self.path.parent.glob(f"{self.path.name}.creating-*"):
            if leftover.is_symlink():
                leftover.unlink(missing_ok=True)
            shutil.rmtree(leftover, ignore_errors=True)

    def sweep(self) -> None:
        """Files that were not renamed any more."""
        for leftover in self.path.rglob("*.partial"):
            leftover.unlink(missing_ok=True)

    def folders(self) -> list[str]:
        """Folders, not what links lead to."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        return []

    def led(self) -> Folder:
        """By a symbolic link."""
        try:
            return Folder(self.path.parent / self.path.readlink())
        except (OSError, ValueError):  # no link
            return self

    def point(self, target: str) -> None:
        """The link is made under a temporary name and renamed."""
        temporary = self._temporary()
        try:
            temporary.symlink_to(target)
            temporary.replace(self.path)
            sync_one(self.path.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreError(f"{self}: cannot be made a link ({error.strerror}). Choose another place.") from error

    def lock(self, shard: int | None = None) -> Lock:
        """A file beside the folder."""
        return FileLock(self.path, shard)

    def locked_shards(self) -> list[int]:
        """By the names of such files."""
        name = re.compile(re.escape(self.path.name) + r"\.shard-(\d+)\.lock")
        return sorted(int(found[1]) for file in self.path.parent.iterdir() if (found := name.fullmatch(file.name)))


def _is_there(path: Path) -> bool:
    """Whether anything is there, be it a link that leads nowhere; OSError if nothing can be."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


class FileLock(Lock):
    """A lock file beside a folder; its time of change is the last sign of life."""

    def __init__(self, store: Path, shard: int | None = None) -> None:
        super().__init__(str(store), shard)
        self.path = store.with_name(store.name + (".lock" if shard is None else f".shard-{shard}.lock"))

    def _create(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written ({error.strerror}). Choose another place.") from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._text())
        except OSError as error:
            self.path.unlink()
            raise StoreError(f"{self.path}: cannot be written ({error.strerror}). Make room first.") from error
        return True

    def _look(self) -> Seen | None:
        try:
            text, changed = self.path.read_bytes(), self.path.stat().st_mtime
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be read ({error.strerror}). Remove it first.") from error
        return Seen(holder_of(text), time.time() - changed, text)

    def _take_over(self, seen: Seen) -> bool:
        """Remove it, one contender at a time, if it is still the dead one's: then all try to create their own."""
        with _one_at_a_time(self.path.parent), contextlib.suppress(FileNotFoundError):
            if self.path.read_bytes() == seen.version:
                self.path.unlink()
        return False

    def _beat(self) -> None:
        with contextlib.suppress(OSError):
            os.utime(self.path)

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            if self.path.read_bytes() == self._text():
                self.path.unlink()


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Holds others off who ask for the same folder; death ends it too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # where a file system knows no such lock, what is left is to look twice
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(folder: str, before: str) -> Iterator[tuple[str, int]]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _sweep(entry.path, f"{before}{entry.name}/")
                continue
            with contextlib.suppress(FileNotFoundError):  # a writer has renamed it meanwhile
                yield before + entry.name, entry.stat().st_size
