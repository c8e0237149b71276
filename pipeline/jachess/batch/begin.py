"""The store of a job: created, or opened and found to be of the same job; and what may still be added to it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from jachess.batch.job import Job
from jachess.batch.labels import missing_labels, write_labels
from jachess.batch.new_store import create_store
from jachess.batch.partial_sums import begin_partial_sums, end_partial_sums
from jachess.batch.plan import NUMERICS, SIZES, Plan
from jachess.batch.planning import bytes_of_blocks, check_disk
from jachess.batch.prepare import Prepared, axis_labels, versions, with_absolute_places
from jachess.batch.progress import tell
from jachess.batch.quantities import QUANTITIES, n_blocks
from jachess.batch.storage import Storage, absolute
from jachess.batch.store import Store
from jachess.batch.tasks import Block
from jachess.errors import IncompleteError, StoreError


def begin(prepared: Prepared, storage: Storage) -> tuple[Store, bool]:
    """The job's store, and whether it was created just now. For the holder of the lock alone.

    Raises
    ------
    StoreError
        If another job's result is there, or it cannot be written.
    """
    storage.remove_unfinished()
    fresh = not storage.exists()
    return (_create(prepared, storage) if fresh else open_same(prepared, storage)), fresh


def complete_labels(prepared: Prepared, store: Store) -> None:
    """Write the labels of the axes anew if some are lost."""
    if missing_labels(store):
        write_labels(store, axis_labels(store.plan, prepared.network))


def _create(prepared: Prepared, storage: Storage) -> Store:
    plan = prepared.plan
    check_disk(plan, storage)
    attributes = {
        "title": "Derivatives of a neural network, computed by jachess",
        "state": "running",
        "job": _job_record(prepared.job),
        "versions": versions(),
        "created_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **prepared.shares(),
    }
    return create_store(storage, plan, attributes, axis_labels(plan, prepared.network))


def open_same(prepared: Prepared, storage: Storage) -> Store:
    """The store that is there, if it is of the same job.

    Raises
    ------
    StoreError
        If it is not, or if there is none.
    """
    store = Store(storage)
    store.check(["plan", "state"])
    differences = _differences(store.plan, prepared.plan)
    if differences:
        raise StoreError(
            f"{storage}: holds the result of another job (different: {'; '.join(differences)}). "
            "Choose another place, or remove it."
        )
    return store


def _job_record(job: Job) -> dict[str, Any]:
    there = with_absolute_places(job)
    points = {name or "points": path for name, path in there.points}
    extends = {} if job.extends is None else {"extends": absolute(job.extends)}
    return {**job.identity(), **extends, "network": absolute(job.network), "points": points, "targets": there.targets}


def _differences(stored: Plan, wanted: Plan) -> list[str]:
    found = [
        name
        for name in {**stored.fingerprints, **wanted.fingerprints}
        if name != "numerics" and stored.fingerprints.get(name) != wanted.fingerprints.get(name)
    ]
    found += [
        f"{key} (planned {getattr(stored, key)}, found {getattr(wanted, key)})"
        for key in SIZES
        if getattr(stored, key) != getattr(wanted, key)
    ]
    found += [
        f"{key} (stored {value}, asked for {wanted.identity.get(key)})"
        for key, value in stored.identity.items()
        if value != wanted.identity.get(key)
    ]
    return found


def check_versions(store: Store) -> None:
    """Whether this version of jachess, with these libraries, may add blocks to a store.

    Raises
    ------
    StoreError
        If it computes other digits than the version that began the store.
    """
    now = versions()
    begun = {**now, **store.attributes.get("versions", {})}
    if store.plan.fingerprints.get("numerics") != NUMERICS:
        raise StoreError(
            f"{store.storage}: was begun by a version of jachess that computes other digits (numerics "
            f"{store.plan.fingerprints.get('numerics')} of jachess {begun['jachess']}; this is numerics {NUMERICS} of "
            f"{now['jachess']}). Finish it with that version, or start again in another place."
        )
    changed = [f"{name} {begun[name]}, now {now[name]}" for name in ("numpy", "scipy") if begun[name] != now[name]]
    if changed:
        tell(
            f"{store.storage}: was begun with {', '.join(changed)}. What is computed now may differ in the last digits."
        )


def check_addable(store: Store, missing: list[Block]) -> None:
    """Whether this version may compute the blocks that a store lacks, and they fit the disk.

    Raises
    ------
    StoreError, PlanError
        If not.
    """
    check_versions(store)
    check_disk(store.plan, store.storage, bytes_of_blocks(store.plan, n_blocks(store.plan) - len(missing)))


def reopen(store: Store, **attributes: Any) -> None:
    """Prepare a store for further blocks, and note further root attributes. For the holder of the lock alone."""
    store.storage.sweep()
    begin_partial_sums(store)
    store.update_attributes({"state": "running", "verdict": None, **attributes})


def check_unchanged(prepared: Prepared, store: Store, computed: list[Block]) -> None:
    """See that points and targets are still those that the blocks just computed were meant for.

    Raises
    ------
    IncompleteError
        If they changed meanwhile: then those blocks count as missing again.
    """
    wanted = store.plan.fingerprints
    changed = [name for name, digest in prepared.source.fingerprint().items() if digest != wanted[name]]
    if changed:
        store.remove(_receipts(store.plan, computed))
        end_partial_sums(store)
        raise IncompleteError(
            f"{store.storage}: {' and '.join(changed)} changed while the job ran: what it computed is removed again. "
            "Put them back and repeat the command, or start again in another place."
        )


def _receipts(plan: Plan, blocks: Iterable[Block]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The chunks without which blocks count as missing."""
    for record in (QUANTITIES[name] for name in plan.quantities):
        numbers = [block for name, block in blocks if name == record.name]
        spec = next(spec for spec in record.arrays(plan) if spec.name == record.receipt)
        for indices in np.argwhere(np.isin(spec.owners, numbers)).tolist():
            yield spec.name, tuple(indices)
