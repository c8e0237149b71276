"""What jachess says when something is wrong.

::

    JachessError
    ├── InputError              refused before any work starts (exit code 2); also a ValueError
    │   ├── NetworkError        the network cannot be read, or has no derivative that we can give
    │   ├── PointsError         points or targets are missing or do not fit the network or the error function
    │   ├── JobError            the job file or the flags are wrong
    │   ├── PlanError           the job does not fit the memory or the disk
    │   └── StoreError          the store is of another job, damaged, in use, or cannot be written
    │       └── ChunkError      chunks of the store are missing or damaged
    └── IncompleteError         some blocks are missing; the same command resumes (exit code 3)
        └── DiskError           the disk is full, or cannot be written any more

Every message reads *where: problem (wanted, got). Do this.*
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class JachessError(Exception):
    """Base of all errors that jachess raises on purpose."""


class InputError(JachessError, ValueError):
    """The input is refused before work starts; nothing has been written."""

    @classmethod
    def of(cls, problems: Sequence[str]) -> InputError:
        """One error that lists all ``problems``, so that one round of mending is enough."""
        return cls("\n".join(problems))


class NetworkError(InputError):
    """The network cannot be read, or has no derivative that we can give."""


class PointsError(InputError):
    """Points or targets are missing, or do not fit the network or the error function."""


class JobError(InputError):
    """The job file or the flags are wrong."""


class PlanError(InputError):
    """The job does not fit the memory or the disk it may use."""


class StoreError(InputError):
    """The store belongs to another job, is damaged, is in use, or cannot be written."""


class ChunkError(StoreError):
    """Chunks of the store are missing or damaged.

    Attributes
    ----------
    chunks : tuple of (array name, indices)
    """

    def __init__(self, message: str, chunks: Sequence[tuple[str, tuple[int, ...]]] = ()) -> None:
        super().__init__(message)
        self.chunks = tuple(chunks)


class IncompleteError(JachessError):
    """Some blocks are missing; the same command resumes the run."""


class DiskError(IncompleteError):
    """The disk is full, or cannot be written any more: nobody can go on before that is mended."""


@contextmanager
def located(where: str) -> Iterator[None]:
    """Say at the beginning of a NetworkError's message where it was, if it does not say so yet.

    Raises
    ------
    NetworkError
        If one was raised.
    """
    try:
        yield
    except NetworkError as error:
        message = str(error)
        raise NetworkError(message if message.startswith(where) else f"{where}: {message}") from error


def words(error: BaseException) -> str:
    """What the error of another library says, in one line: it may quote anything from a damaged file."""
    return " ".join(_CONTROL.sub(" ", str(error)).split())[:1000]
