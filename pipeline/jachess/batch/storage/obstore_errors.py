"""Errors of an object store: survived by asking again, or told as ours, since its own run over many lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from jachess.errors import StoreError

T = TypeVar("T")

_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


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


def again(action: Callable[[], T]) -> T:
    """Do what may be done twice: obstore repeats no list, no HEAD and no delete whose answer was cut off on its way."""
    import obstore

    for pause in _PAUSES:
        started = time.monotonic()
        try:
            return action()
        except obstore.exceptions.GenericError as error:
            patient = time.monotonic() - started > _PAUSES[-1]  # obstore has been
            if patient or "HTTP error" not in str(error):  # as it calls a broken connection, not a refusal
                raise
        time.sleep(pause)
    return action()
