"""The store: one Zarr group, created whole by the coordinator, filled chunk by chunk by the workers.

Presence of a chunk's file is the commit mark, so every chunk is written even if it holds the fill value only, and each
ends in a checksum. A write returns when its bytes are on the disk, so that what is written last, the receipt, proves
all that came before.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec

from jachess.batch.disk import sync, sync_one
from jachess.batch.plan import Plan
from jachess.batch.quantities import QUANTITIES, ArraySpec
from jachess.batch.quantities.record import Receipts, Region, Write, computed_arrays
from jachess.errors import StoreError
from jachess.network.graph import Array

FORMAT = 2
"""Version of the store's layout."""
_CONFIG = {"array.write_empty_chunks": True, "threading.max_workers": 1}


class Store:
    """An open store.

    Attributes
    ----------
    path : Path
    plan : Plan
    """

    def __init__(self, path: Path) -> None:
        zarr.config.set(_CONFIG)
        self.path = path
        try:
            self._group = zarr.open_group(store=zarr.storage.LocalStore(path), mode="r+")
            attributes = self.attributes
        except (FileNotFoundError, ValueError, KeyError, OSError) as error:
            raise StoreError(f"{path}: there is no jachess result here.") from error
        if attributes.get("jachess_format") != FORMAT:
            raise StoreError(
                f"{path}: not a jachess result of this version (wanted format {FORMAT}; "
                f"got {attributes.get('jachess_format', 'another kind of Zarr group')}). Choose another place."
            )
        self.plan = Plan.from_dict(attributes["plan"])
        self._arrays: dict[str, Any] = {}
        self._specs = {spec.name: spec for name in self.plan.quantities for spec in QUANTITIES[name].arrays(self.plan)}

    @property
    def attributes(self) -> dict[str, Any]:
        """The root attributes, read afresh."""
        return dict(self._group.attrs.asdict())

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        """Change root attributes; they are on the disk when this returns. For the coordinator alone."""
        self._group = self._group.update_attributes(dict(changes))
        sync([self.path / "zarr.json"])

    def array(self, name: str) -> Any:
        """The Zarr array of that name."""
        if name not in self._arrays:
            try:
                array = self._group[name]
            except KeyError as error:
                known = ", ".join(sorted(key for key, _ in self._group.arrays()))
                raise StoreError(f"{self.path}: has no array '{name}' (wanted one of {known}).") from error
            assert isinstance(array, zarr.Array)
            assert array.config.write_empty_chunks
            self._arrays[name] = array
        return self._arrays[name]

    def array_names(self) -> list[str]:
        """Names of all arrays, labels included."""
        return sorted(name for name, _ in self._group.arrays())

    def write(self, writes: Iterable[Write]) -> None:
        """Write whole chunks, and wait until all of them are on the disk."""
        sync(file for write in writes for file in self._put(*write))

    def _put(self, name: str, region: Region, data: Array) -> Iterator[Path]:
        """Write whole chunks; their files."""
        spec = self._specs[name]
        for span, chunk, length in zip(region, spec.chunks, spec.shape, strict=True):
            assert span.start % chunk == 0
            assert span.stop % chunk == 0 or span.stop == length
        assert data.shape == tuple(span.stop - span.start for span in region)
        assert data.dtype == np.dtype(spec.dtype)
        self.array(name)[region] = np.ascontiguousarray(data)
        spans = (range(s.start // c, -(-s.stop // c)) for s, c in zip(region, spec.chunks, strict=True))
        yield from (self.chunk_file(name, indices) for indices in itertools.product(*spans))

    def read(self, name: str, region: Region) -> Array:
        """Read a part of a quantity's array, whose chunks must all be there and whole.

        Raises
        ------
        StoreError
            If a chunk is missing or damaged.
        """
        spec = self._specs[name]
        spans = (range(s.start // c, -(-s.stop // c)) for s, c in zip(region, spec.chunks, strict=True))
        for indices in itertools.product(*spans):
            if not self.is_whole(name, indices):
                raise StoreError(f"{self.path}: chunk {indices} of '{name}' is missing or torn. Run the job again.")
        try:
            return np.asarray(self.array(name)[region])
        except ValueError as error:
            raise StoreError(
                f"{self.path}: a chunk of '{name}' is damaged ({error}). Find it with jachess status --checksums."
            ) from error

    def chunk_file(self, name: str, indices: Sequence[int]) -> Path:
        """The file of a chunk."""
        return self.path.joinpath(name, "c", *map(str, indices))

    def is_whole(self, name: str, indices: Sequence[int]) -> bool:
        """Whether a chunk is there with its full size."""
        try:
            return self.chunk_file(name, indices).stat().st_size == self._specs[name].chunk_bytes
        except OSError:
            return False

    def done(self, quantity: str, receipts: Receipts = computed_arrays) -> Array:
        """Of which blocks (n_blocks,) of a quantity the chunks are there, each of full size: by default all of them."""
        record = QUANTITIES[quantity]
        done = np.ones(record.n_blocks(self.plan), bool)
        for spec in receipts(record, self.plan):
            owners = spec.owners
            done[owners[~self._whole_chunks(spec) & (owners >= 0)]] = False
        return done

    def forget(self, name: str) -> None:
        """Remove all chunks of an array. For the holder of the lock alone."""
        shutil.rmtree(self.path / name / "c", ignore_errors=True)

    def _whole_chunks(self, spec: ArraySpec) -> Array:
        """Which chunks (the array's grid) are there with their full size, by one sweep through its folders."""
        found = np.zeros(spec.grid, bool)

        def sweep(folder: Path, indices: tuple[int, ...]) -> None:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.isdigit():
                        continue
                    here = (*indices, int(entry.name))
                    if len(here) < len(spec.grid):
                        sweep(Path(entry.path), here)
                    elif all(i < n for i, n in zip(here, spec.grid, strict=True)):
                        found[here] = entry.stat().st_size == spec.chunk_bytes

        sweep(self.path / spec.name / "c", ())
        return found

    def damaged_chunks(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Chunks whose checksum is wrong, by reading all of them."""
        for spec in self._specs.values():
            for indices in zip(*np.nonzero(self._whole_chunks(spec)), strict=True):
                region = tuple(
                    slice(int(i) * c, min((int(i) + 1) * c, n))
                    for i, c, n in zip(indices, spec.chunks, spec.shape, strict=True)
                )
                try:
                    self.array(spec.name)[region]
                except ValueError:
                    yield spec.name, tuple(int(i) for i in indices)

    def sweep(self) -> None:
        """Remove what interrupted writes left behind. For the holder of the lock alone."""
        for leftover in self.path.rglob("*.partial"):
            leftover.unlink(missing_ok=True)

    def label(self, name: str) -> Array:
        """The labels of an axis, like ``layer_i``."""
        return np.asarray(self.array(name)[:])


def create_store(path: Path, plan: Plan, attributes: Mapping[str, Any], labels: Mapping[str, Array]) -> Store:
    """Create a store with all its metadata under a temporary name, and put it in place when it is whole.

    Raises
    ------
    StoreError
        If it cannot be written, or something is there already.
    """
    zarr.config.set(_CONFIG)
    temporary = path.with_name(f"{path.name}.creating-{uuid.uuid4().hex}")
    try:
        if path.exists():
            raise StoreError(f"{path}: something is there already. Choose another place.")
        group = zarr.create_group(store=zarr.storage.LocalStore(temporary), zarr_format=3)
        group.update_attributes({"jachess_format": FORMAT, "plan": plan.as_dict(), **attributes})
        for name in plan.quantities:
            for spec in QUANTITIES[name].arrays(plan):
                _create_array(group, spec)
        for name, values in labels.items():
            _create_labels(group, name, values)
        sync(file for file in temporary.rglob("*") if file.is_file())
        temporary.rename(path)
        sync_one(path.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise StoreError(f"{path}: cannot be written ({error.strerror or error}). Choose another place.") from error
    return Store(path)


def remove_leftovers(path: Path) -> None:
    """Remove unfinished stores of killed runs. For the holder of the lock alone."""
    for leftover in path.parent.glob(f"{path.name}.creating-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _create_array(group: Any, spec: ArraySpec) -> None:
    group.create_array(
        spec.name,
        shape=spec.shape,
        chunks=spec.chunks,
        dtype=spec.dtype,
        compressors=[Crc32cCodec()],
        fill_value=np.nan,
        dimension_names=spec.dimensions,
        attributes=dict(spec.attributes),
    )


def _create_labels(group: Any, name: str, values: Array) -> None:
    dimension = f"weight_{name[-1]}"
    text = values.dtype.kind in "OUT"
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(max(1, min(len(values), 1 << 20)),),
        dtype="str" if text else "int64",
        compressors=None if text else [Crc32cCodec()],
        dimension_names=(dimension,),
    )
    array[:] = values
