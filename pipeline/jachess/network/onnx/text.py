"""Names in a model file: those that are no text could be neither compared nor shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jachess.errors import NetworkError

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_FOR_PEOPLE = ("doc_string", "metadata_props", "producer_name", "producer_version")
"""Fields that nobody reads here."""


def check_text(message: Any) -> None:
    """Refuse a message in which, at any depth, a name is not UTF-8 or holds control characters.

    Raises
    ------
    NetworkError
        If one does.
    """
    for field, value in message.ListFields():
        if field.name in _FOR_PEOPLE:
            continue
        if field.type == field.TYPE_MESSAGE:
            for inner in _each(value):
                check_text(inner)
        elif field.type == field.TYPE_STRING:
            for text in _each(value):
                if not isinstance(text, str) or _CONTROL.search(text):
                    raise NetworkError(f"{field.full_name}: is no text (got {text[:40]!r}). Export the network again.")


def _each(value: Any) -> Iterator[Any]:
    yield from [value] if isinstance(value, str | bytes) or hasattr(value, "DESCRIPTOR") else value


def decoded(text: bytes) -> str:
    """The text of an attribute.

    Raises
    ------
    NetworkError
        If it is none.
    """
    try:
        found = text.decode()
    except UnicodeDecodeError:
        found = "\0"
    if _CONTROL.search(found):
        raise NetworkError(f"is no text (got {text[:40]!r})")
    return found
