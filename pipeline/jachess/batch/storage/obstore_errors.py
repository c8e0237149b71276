"""Errors of an object store, told as ours: its own run over many lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jachess.errors import StoreError


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turn what obstore raises into a StoreError of one line.

    Where an object may be absent, its FileNotFoundError is to be caught inside.
    """
    import obstore

    try:
        yield
    except (obstore.exceptions.BaseError, OSError) as error:
        first = str(error).splitlines()[0][:300]
        raise StoreError(
            f"{where}: the object store does not answer as it should ({first}). "
            "Check that the bucket exists, and credentials and end point in the environment."
        ) from error
