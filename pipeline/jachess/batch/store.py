"""The store: one Zarr group, created whole by the coordinator, filled chunk by chunk by the workers.

Presence of a chunk's file is the commit mark, so every chunk is written even if it holds the fill value only, and each
ends in a checksum. A write returns when its bytes are on the disk, so that what is written last, the receipt, proves
all that came before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from jachess.batch.disk import writing
from jachess.batch.quantities import WORKS, ArraySpec, works
from jachess.batch.quantities.array_spec import Region, chunk_region
from jachess.batch.quantities.record import Receipts, Write, computed_arrays
from jachess.batch.storage import Storage, storage_of
from jachess.batch.storage.strict import MissingChunk, Strict
from jachess.batch.store_form import arrays_of, check_array, check_attributes, labels_of, plan_of
from jachess.errors import ChunkError, StoreError
from jachess.network.graph import Array

FORMAT = 2
"""Version of the store's layout."""
CONFIG = {"array.write_empty_chunks": True, "threading.max_workers": 1}


class Store:
    """An open store.

    Parameters
    ----------
    place : Storage, path or URL

    Attributes
    ----------
    storage : Storage
    plan : Plan
    """

    def __init__(self, place: Storage | str | Path) -> None:
        zarr.config.set(CONFIG)
        self.storage = storage = storage_of(place)
        if storage.size("zarr.json") is None:  # else Zarr would make a folder
            raise StoreError(f"{storage}: there is no jachess result here.")
        try:
            self._group = zarr.open_group(storage.zarr(), mode="r+", zarr_format=3, use_consolidated=False)
            attributes = self.attributes
        except StoreError:
            raise
        except Exception as error:  # whatever Zarr makes of damaged metadata
            raise StoreError(f"{storage}: there is no jachess result here ({type(error).__name__}).") from error
        if attributes.get("jachess_format") != FORMAT:
            raise StoreError(
                f"{storage}: not a jachess result of this version (wanted format {FORMAT}; "
                f"got {attributes.get('jachess_format', 'another kind of Zarr group')}). Choose another place."
            )
        self.plan = plan_of(attributes, storage)
        self._specs = {spec.name: spec for work in works(self.plan) for spec in work.arrays(self.plan)}
        self._arrays: dict[str, Any] = {}
        self._strict: dict[str, Any] = {}

    @property
    def attributes(self) -> dict[str, Any]:
        """The root attributes, read afresh."""
        return dict(self._group.attrs.asdict())

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        """Change root attributes; they are on the disk when this returns. For the coordinator alone."""
        with writing(str(self.storage)):
            self._group = self._group.update_attributes(dict(changes))
            self.storage.settle(["zarr.json"])

    def array(self, name: str) -> Any:
        """The Zarr array of that name."""
        if name not in self._arrays:
            if name not in self._specs and name not in self.array_names():
                known = ", ".join(self.array_names())
                raise StoreError(f"{self.storage}: has no array '{name}' (wanted one of {known}).")
            try:
                array: Any = self._group[name]
            except StoreError:
                raise
            except Exception as error:  # as above
                raise StoreError(
                    f"{self.storage}: array '{name}' is missing or damaged ({type(error).__name__}). "
                    "Remove the result and run the job again, or choose another place."
                ) from error
            if name in self.array_names():  # partial sums come and go
                check_array(self.plan, name, array, self.storage)
            assert array.config.write_empty_chunks
            self._arrays[name] = array
        return self._arrays[name]

    def check(self, keys: Sequence[str] | None = None) -> None:
        """Compare attributes and arrays with the plan, once for all that read or write them.

        Parameters
        ----------
        keys : sequence of str, optional
            Attributes that must be there; all that a run writes, by default.

        Raises
        ------
        StoreError
            With what is missing, or differs.
        """
        check_attributes(self.attributes, self.storage, keys)
        problems = []
        for name in self.array_names():
            try:
                self.array(name)
            except StoreError as error:
                problems.append(str(error))
        if problems:
            raise StoreError.of(problems)

    def array_names(self) -> list[str]:
        """Names of all arrays, labels included."""
        return sorted([*arrays_of(self.plan), *labels_of(self.plan)])

    def write(self, writes: Iterable[Write]) -> None:
        """Write whole chunks, and wait until all of them are on the disk.

        Raises
        ------
        DiskError
            If the disk is full, or cannot be written any more.
        """
        with writing(str(self.storage)):
            self.storage.settle(key for write in writes for key in self._put(*write))

    def _put(self, name: str, region: Region, data: Array) -> Iterator[str]:
        """Write whole chunks; their keys."""
        spec = self._specs[name]
        for span, chunk, length in zip(region, spec.chunks, spec.shape, strict=True):
            assert span.start % chunk == 0
            assert span.stop % chunk == 0 or span.stop == length
        assert data.shape == tuple(span.stop - span.start for span in region)
        assert data.dtype == np.dtype(spec.dtype)
        self.array(name)[region] = np.ascontiguousarray(data)
        yield from (chunk_key(name, indices) for indices in spec.touched(region))

    def read(self, name: str, region: Region) -> Array:
        """Read a part of a quantity's array, whose chunks must all be there and whole.

        Raises
        ------
        ChunkError
            If chunks are missing or damaged: it says which.
        """
        if name not in self._strict:
            self.array(name)  # checks it
            place = self.storage.zarr() / name
            self._strict[name] = zarr.open_array(
                zarr.storage.StorePath(Strict(place.store), place.path), mode="r", zarr_format=3
            )
        try:
            return np.asarray(self._strict[name][region])
        except StoreError:
            raise
        except (MissingChunk, ValueError) as error:
            torn = {i for i in self._specs[name].touched(region) if not self.is_whole(name, i)}
            lacking = [i for i in self._specs[name].touched(region) if i in torn or self.is_damaged(name, i)]
            if not lacking:
                raise
            which = f"chunk {lacking[0]}" + (f" and {len(lacking) - 1} others" if len(lacking) > 1 else "")
            what = "missing or torn. Run the job again." if torn else "damaged. Run the job again, with --checksums."
            raise ChunkError(f"{self.storage}: {which} of '{name}' is {what}", [(name, i) for i in lacking]) from error

    def is_whole(self, name: str, indices: Sequence[int]) -> bool:
        """Whether a chunk is there with its full size."""
        return self.storage.size(chunk_key(name, indices)) == self._specs[name].chunk_bytes

    def is_damaged(self, name: str, indices: tuple[int, ...]) -> bool:
        """Whether a chunk that is there cannot be read: its checksum is wrong."""
        array = self.array(name)
        try:
            array[chunk_region(indices, array.chunks, array.shape)]
        except StoreError:
            raise
        except ValueError:
            return True
        return False

    def remove(self, chunks: Iterable[tuple[str, tuple[int, ...]]]) -> None:
        """Remove chunks: then they are missing, and will be computed. For the holder of the lock and its workers."""
        with writing(str(self.storage)):
            self.storage.delete_keys(chunk_key(name, indices) for name, indices in chunks)

    def done(self, name: str, receipts: Receipts = computed_arrays) -> Array:
        """Of which blocks (n_blocks,) the chunks are there, each of full size: by default all of them."""
        record = WORKS[name]
        done = np.ones(record.n_blocks(self.plan), bool)
        for spec in receipts(record, self.plan):
            owners = spec.owners
            done[owners[~self._whole_chunks(spec) & (owners >= 0)]] = False
        return done

    def lacking(self) -> dict[str, int]:
        """Of which quantities blocks are missing, and how many."""
        missing = {name: int((~self.done(name)).sum()) for name in self.plan.quantities}
        return {name: count for name, count in missing.items() if count}

    def forget(self, name: str) -> None:
        """Remove all chunks of an array. For the holder of the lock alone."""
        self.storage.delete(f"{name}/c")

    def subgroup(self, name: str) -> Any:
        """A group in the store's own, made if it is not there. For the coordinator alone."""
        return self._group.require_group(name)

    def _whole_chunks(self, spec: ArraySpec) -> Array:
        """Which chunks (the array's grid) are there with their full size, by one sweep."""
        found = np.zeros(spec.grid, bool)
        for key, size in self.storage.sizes(f"{spec.name}/c"):
            parts = key.split("/")
            if size != spec.chunk_bytes or len(parts) != found.ndim or not all(part.isdecimal() for part in parts):
                continue
            indices = tuple(map(int, parts))
            if all(i < n for i, n in zip(indices, spec.grid, strict=True)):
                found[indices] = True
        return found

    def damaged_chunks(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Chunks whose checksum is wrong, by reading all of them; labels not counted."""
        for spec in self._specs.values():
            for indices in map(tuple, np.argwhere(self._whole_chunks(spec)).tolist()):
                if self.is_damaged(spec.name, indices):
                    yield spec.name, indices

    def label(self, name: str) -> Array:
        """The labels of an axis, like ``layer_i``."""
        array: Any = self.array(name)
        try:
            return np.asarray(array[:])
        except StoreError:
            raise
        except Exception as error:  # a damaged text makes Zarr raise this or that
            raise StoreError(
                f"{self.storage}: '{name}' is damaged ({type(error).__name__}). Run the job again, with --checksums."
            ) from error


def chunk_key(name: str, indices: Sequence[int]) -> str:
    """The key of a chunk."""
    return "/".join([name, "c", *map(str, indices)])
