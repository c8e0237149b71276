"""The form of a job: every problem is said at once, in words."""

from __future__ import annotations

import difflib
import json
import reprlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any

import jsonschema

from jachess.errors import JobError

_MOST_PROBLEMS = 50
_LIMITS = {
    "type": "a value of type",
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "minItems": "a list of at least",
}
_WORDS = {"uniqueItems": "no entry twice", "minLength": "a name", "not": "no control characters"}


@cache
def read_schema(package: str, name: str) -> dict[str, Any]:
    """A JSON schema that lies in a package."""
    return dict(json.loads(resources.files(package).joinpath(name).read_text(encoding="utf-8")))


def schema() -> dict[str, Any]:
    """The JSON schema of a job file."""
    return read_schema("jachess.batch", "job.schema.json")


def validate_job(given: Mapping[str, Any], where: str) -> None:
    """Refuse keys and values that are not of a job's schema.

    Raises
    ------
    JobError
        As `validate` does.
    """
    validate(given, schema(), where)


def validate(given: Mapping[str, Any], form: Mapping[str, Any], where: str) -> None:
    """Refuse keys and values that are not of a schema.

    Raises
    ------
    JobError
        With everything that is wrong, or the first that many.
    """
    keys = list(form["properties"])
    problems = []
    for problem in islice(Validator(form).iter_errors(dict(given)), _MOST_PROBLEMS):
        place = ".".join(map(str, problem.absolute_path))
        if problem.validator == "additionalProperties" and not place:
            for key in sorted(str(key)[:60] for key in given if key not in keys)[:_MOST_PROBLEMS]:
                close = difflib.get_close_matches(key, keys, 1)
                advice = f"Did you mean '{close[0]}'?" if close else f"Known keys: {', '.join(keys)}."
                problems.append(f"{where}: unknown key '{key}'. {advice}")
        elif problem.validator == "required" and not place:
            missing = [key for key in problem.validator_value if key not in given]
            problems += [f"{where}: '{key}' is missing. Add it: {_meaning(form, key)}" for key in missing]
        else:
            plain = isinstance(problem.instance, str | int | float | None)
            got = json.dumps(problem.instance)[:60] if plain else reprlib.repr(problem.instance)
            wanted = _wanted(problem)
            problems.append(
                f"{where}: '{place or 'job'}' is wrong (wanted {wanted}; got {got}). {_meaning(form, place)}".strip()
            )
    if problems:
        raise JobError.of(list(dict.fromkeys(problems)))


def _is_integer(checker: Any, given: Any) -> bool:
    """To JSON schemas, 2.0 is an integer."""
    return isinstance(given, int) and not isinstance(given, bool)


def _unique(validator: Any, wanted: bool, given: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    """As the library's own, whose time grows with the square of a list of mixed types."""
    if wanted and isinstance(given, list) and len(set(map(repr, given))) < len(given):
        yield jsonschema.ValidationError("not unique")


Validator: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    {"uniqueItems": _unique},
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)
"""Checks data against a schema."""


def _wanted(problem: Any) -> str:
    if problem.validator == "enum":
        return "one of " + ", ".join(problem.validator_value)
    if problem.validator in _LIMITS:
        return f"{_LIMITS[problem.validator]} {problem.validator_value}"
    return _WORDS.get(problem.validator, "what is described here")


def meaning(place: str) -> str:
    """What the schema says of a key."""
    return _meaning(schema(), place)


def _meaning(form: Mapping[str, Any], place: str) -> str:
    return str(form["properties"].get(place.split(".")[0], {}).get("description", ""))
