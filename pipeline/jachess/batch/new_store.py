"""A new store: one Zarr group with all its arrays and labels, put in place whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zarr

from jachess.batch.plan import Plan
from jachess.batch.storage import Storage, storage_of
from jachess.batch.store import CONFIG, FORMAT, Store
from jachess.batch.store_form import create_arrays
from jachess.network.graph import Array


def create_store(
    place: Storage | str | Path, plan: Plan, attributes: Mapping[str, Any], labels: Mapping[str, Array]
) -> Store:
    """Create a store with all its metadata; it is put in place whole.

    Parameters
    ----------
    place : Storage, path or URL

    Raises
    ------
    StoreError
        If it cannot be written, or something is there already.
    """
    zarr.config.set(CONFIG)
    files: dict[str, Any] = {}
    group = zarr.create_group(zarr.storage.MemoryStore(files), zarr_format=3)
    group.update_attributes({"jachess_format": FORMAT, "plan": plan.as_dict(), **attributes})
    create_arrays(group, plan)
    for name, values in labels.items():
        array: Any = group[name]
        array[:] = values
    storage = storage_of(place)
    storage.create({key: content.to_bytes() for key, content in files.items()})
    return Store(storage)
