"""Who may write to a store: one run that has it to itself, or any number of shards, each of them once.

Either first makes a lock of its own and then looks for the other kind's: so of two that come at the same moment one at
least sees the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jachess.batch.storage.record import Storage
from jachess.errors import StoreError

_NAMED = 10
"""Shards that a message names."""


@contextmanager
def alone(storage: Storage) -> Iterator[None]:
    """Have a store to oneself; what dead shards left of their locks is removed.

    Raises
    ------
    StoreError
        If another run, or a shard, is at work there.
    """
    with storage.lock():
        living = []
        for shard in storage.locked_shards():
            lock = storage.lock(shard)
            if lock.is_held():
                living.append(shard)
            else:
                with lock:
                    pass
        if living:
            named = ", ".join(map(str, living[:_NAMED])) + (" and others" if len(living) > _NAMED else "")
            raise StoreError(f"{storage}: in use by shards of it ({named}). Wait for them, or stop them.")
        yield


@contextmanager
def among_shards(storage: Storage, shard: int) -> Iterator[None]:
    """Be the one that computes a shard of a store, beside other shards.

    Raises
    ------
    StoreError
        If this shard is being computed already, or a run has the store to itself.
    """
    lock = storage.lock(shard)
    lock.await_sign()
    with lock:
        if storage.lock().is_held():
            raise StoreError(f"{storage}: in use by a run that has it to itself. Wait for it, or stop it.")
        yield


def is_in_use(storage: Storage) -> bool:
    """Whether anybody who is alive writes to a store."""
    return storage.lock().is_held() or any(storage.lock(shard).is_held() for shard in storage.locked_shards())
