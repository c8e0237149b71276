"""What is read from JSON that anybody may have written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from jachess.errors import NetworkError

LONGEST = 64 * 2**20
"""Characters of one text."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_T = TypeVar("_T")


def parsed(text: str | bytes, what: str) -> dict[str, Any]:
    """The mapping that a JSON text is.

    Raises
    ------
    NetworkError
        If it is none, or too long.
    """
    if len(text) > LONGEST:
        raise NetworkError(f"{what}: too long (wanted at most {LONGEST} characters; got {len(text)}).")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"{what}: is no JSON ({type(error).__name__}).") from error
    return entry(found, what)


def entry(given: Any, what: str) -> dict[str, Any]:
    """A mapping by name.

    Raises
    ------
    NetworkError
        If it is none.
    """
    if not isinstance(given, dict):
        raise NetworkError(f"'{what}': wanted a mapping (got {type(given).__name__}).")
    return given


def member(given: Mapping[str, Any], key: str, kind: type[_T]) -> _T:
    """What lies under a key, of this type.

    Raises
    ------
    NetworkError
        If it does not.
    """
    found = given.get(key)
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise NetworkError(f"'{key}': is missing or no {kind.__name__} (got {type(found).__name__}).")
    return found


def listed(given: Mapping[str, Any], key: str) -> list[Any]:
    """The list under a key.

    Raises
    ------
    NetworkError
        If there is none.
    """
    return member(given, key, list)


def checked_name(given: Any, *, empty: bool = False) -> str:
    """A name: text without control characters.

    Raises
    ------
    NetworkError
        If it is none.
    """
    if not isinstance(given, str) or _CONTROL.search(given) or not (given or empty):
        raise NetworkError(f"a name is no text (got {str(given)[:40]!r}).")
    return given
