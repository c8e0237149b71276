"""The labels of the axes of weights, in a store that is there already: found missing or damaged, written once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jachess.batch.disk import writing
from jachess.batch.store import Store, chunk_key
from jachess.network.graph import Array

Chunk = tuple[str, tuple[int, ...]]
"""Name of an array, and indices of one of its chunks."""


def damaged_labels(store: Store) -> list[Chunk]:
    """Chunks of labels that are missing, or whose checksum is wrong."""
    missing = missing_labels(store)
    return missing + [chunk for chunk in _chunks(store) if chunk not in missing and store.is_damaged(*chunk)]


def missing_labels(store: Store) -> list[Chunk]:
    """Chunks of labels that are not there."""
    return [chunk for chunk in _chunks(store) if store.storage.size(chunk_key(*chunk)) is None]


def write_labels(store: Store, labels: Mapping[str, Array]) -> None:
    """Write the labels of all axes once more. For the coordinator alone."""
    with writing(str(store.storage)):
        for name, values in labels.items():
            store.array(name)[:] = values
        store.storage.settle(chunk_key(*chunk) for chunk in _chunks(store))


def _chunks(store: Store) -> Iterator[Chunk]:
    for name in store.array_names():
        if name.endswith(("_i", "_j")):
            array = store.array(name)
            yield from ((name, (i,)) for i in range(-(-array.shape[0] // array.chunks[0])))
