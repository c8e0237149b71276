"""A small array, written by one process and read by another, beside a store: whether both see the same place."""

from __future__ import annotations

import socket

import numpy as np
import zarr

from jachess.batch.storage import storage_of
from jachess.batch.storage.record import Storage

TRIAL = ".trial-"
"""Between the store's name and what is unique."""
_NUMBERS = np.arange(64.0)


def write_trial(place: str) -> str:
    """Write, and read what was written.

    Returns
    -------
    str
        The name of this machine.
    """
    array = zarr.create_array(storage_of(place).zarr(), shape=_NUMBERS.shape, chunks=(16,), dtype="float64")
    array[:] = _NUMBERS
    assert np.array_equal(array[:], _NUMBERS)
    return socket.gethostname()


def read_trial(storage: Storage) -> bool:
    """Whether all of it is there."""
    try:
        return bool(np.array_equal(zarr.open_array(storage.zarr(), mode="r")[:], _NUMBERS))
    except (OSError, ValueError, KeyError):
        return False
