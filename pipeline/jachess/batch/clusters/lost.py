"""The word that a cluster is to be started anew, and the closing of what was started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class ClusterLost(Exception):
    """There is no cluster any more, or it did not come to life: another is to be started."""


@contextmanager
def closing(thing: Any) -> Iterator[Any]:
    """Close it in the end; what it then complains about hides no other error, and concerns nobody."""
    try:
        yield thing
    finally:
        with suppress(Exception):
            thing.close()
