"""The room for partial sums in a store, while a job runs. For the coordinator alone."""

from __future__ import annotations

from jachess.batch.disk import writing
from jachess.batch.quantities import partial_works
from jachess.batch.quantities.ranges import FOLDER
from jachess.batch.store import Store
from jachess.batch.store_form import create_array


def begin_partial_sums(store: Store) -> None:
    """Make room for them, if the plan has any."""
    specs = [spec for work in partial_works(store.plan) for spec in work.arrays(store.plan)]
    with writing(str(store.storage)):
        for spec in specs:
            if store.storage.size(f"{spec.name}/zarr.json") is None:
                create_array(store.subgroup(FOLDER), spec)
        store.storage.settle(f"{spec.name}/zarr.json" for spec in specs)


def end_partial_sums(store: Store) -> None:
    """Remove them: what they add up to is there, and compared with what it is to be compared with."""
    if store.storage.size(f"{FOLDER}/zarr.json") is not None:
        store.storage.delete(FOLDER)
