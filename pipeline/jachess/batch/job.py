"""A job: what to compute, from which network and points, and where to put it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from jachess.errors import JobError

QUANTITIES = ("outputs", "jacobian", "weight_jacobian", "input_hessian", "gradient", "hessian", "outer_product",
              "block_diagonal", "outer_product_blocks")  # fmt: skip
"""All quantities, in the order in which they are computed."""
SYMMETRIC = {"hessian", "outer_product", "block_diagonal", "outer_product_blocks"}
"""Those of which the upper triangle may be stored alone."""
OF_THE_ERROR = {"gradient", *SYMMETRIC}
"""Those that are derivatives of the error function."""

_PATHS = ("network", "targets", "out", "cluster", "confine")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_LARGEST_FILE = 1 << 20


@dataclass(frozen=True)
class Job:
    """A job, checked for form but not yet against the files it names.

    Attributes
    ----------
    points : tuple of (input name or None, path)
    quantities : tuple of str
        Some of `QUANTITIES`, in that order.
    memory : int or None
        Bytes of one worker.
    The others are as in job.schema.json.
    """

    network: str
    points: tuple[tuple[str | None, str], ...]
    quantities: tuple[str, ...]
    out: str
    targets: str | None = None
    error: str | None = None
    dtype: str = "float64"
    triangle: str = "both"
    memory: int | None = None
    workers: int | None = None
    cluster: str | None = None
    scheduler: str | None = None
    weights: str | tuple[str, ...] = "auto"
    input: str | None = None
    output: str | None = None
    method: str = "auto"
    confine: str | None = None
    patience: float | None = None
    input_hessian_outputs: tuple[int, ...] | None = None

    @property
    def needs_error(self) -> bool:
        """Whether a quantity is a derivative of the error function."""
        return not OF_THE_ERROR.isdisjoint(self.quantities)

    @property
    def in_process(self) -> bool:
        """Whether a place that it names is in the memory of this process, which its workers must share then."""
        places = [self.out, self.targets or "", *(path for _, path in self.points)]
        return any(place.startswith("memory://") for place in places)

    def identity(self) -> dict[str, Any]:
        """What the result depends on, besides the contents of network, points and targets."""
        return {
            "quantities": list(self.quantities),
            "error": self.error if self.needs_error else None,
            "dtype": self.dtype,
            "triangle": None if SYMMETRIC.isdisjoint(self.quantities) else self.triangle,
            "weights": self.weights if isinstance(self.weights, str) else list(self.weights),
            "input": self.input,
            "output": self.output,
            "method": self.method,
            "input_hessian_outputs": None if self.input_hessian_outputs is None else list(self.input_hessian_outputs),
        }


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of a job file."""
    text = resources.files("jachess.batch").joinpath("job.schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def load_job(path: str | Path, changes: Mapping[str, Any] | None = None) -> Job:
    """Read a job file (YAML); ``changes`` replace single keys of it.

    Relative paths in the file are taken from its folder, those in ``changes`` from the current one.

    Raises
    ------
    JobError
        With everything that is wrong with the file.
    """
    path = Path(path)
    if not path.is_file():
        raise JobError(f"{path}: there is no such job file.")
    if path.stat().st_size > _LARGEST_FILE:
        raise JobError(f"{path}: too large for a job file (wanted at most {_LARGEST_FILE} bytes).")
    try:
        given = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise JobError(f"{path}: not a YAML file: {' '.join(str(error).split())}.") from error
    if not isinstance(given, dict):
        raise JobError(f"{path}: a job is a mapping of keys to values (got {type(given).__name__}).")
    _validate(given, str(path))
    return job_of({**_resolved(given, path.parent), **(changes or {})}, str(path))


def job_of(keys: Mapping[str, Any], where: str = "job") -> Job:
    """A job from its keys, as in a job file.

    Raises
    ------
    JobError
        With everything that is wrong with them.
    """
    _validate(keys, where)
    given = dict(keys)
    compute, points = set(given.pop("compute")), given.pop("points")
    problems = [
        f"{where}: '{key}' is missing, and {' and '.join(sorted(compute & OF_THE_ERROR))} needs it. Add {key}: …"
        for key in ("targets", "error")
        if compute & OF_THE_ERROR and not given.get(key)
    ]
    if given.get("cluster") and given.get("scheduler"):
        problems.append(f"{where}: 'cluster' and 'scheduler' exclude each other. Keep one.")
    for key in ("weights", "input_hessian_outputs"):
        if isinstance(given.get(key), list):
            given[key] = tuple(given[key])
    if "memory" in given:
        given["memory"] = n_bytes(given["memory"])
    job = Job(
        points=tuple(points.items()) if isinstance(points, Mapping) else ((None, points),),
        quantities=tuple(name for name in QUANTITIES if name in compute),
        **given,
    )
    if job.in_process and (job.cluster or job.scheduler):
        problems.append(f"{where}: a cluster cannot see memory://, which is in this process. Choose another place.")
    if problems:
        raise JobError.of(problems)
    return job


def n_bytes(text: str) -> int:
    """Bytes of a size like 2GiB or 500 MB."""
    match = re.fullmatch(r"([0-9.]+) ?([kKMGT]i?)?B", text)
    if match is None:
        raise JobError(f"memory: not a size (wanted something like 2GiB; got {text!r}).")
    return int(float(match[1]) * _UNITS[(match[2] or "").replace("K", "k")])


def _resolved(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    def from_folder(text: str) -> str:
        return text if "://" in text else str(folder / text)

    resolved = {key: from_folder(value) if key in _PATHS else value for key, value in given.items()}
    points = given["points"]
    resolved["points"] = (
        from_folder(points) if isinstance(points, str) else {name: from_folder(file) for name, file in points.items()}
    )
    return resolved


def _validate(given: Mapping[str, Any], where: str) -> None:
    keys = list(schema()["properties"])
    problems = []
    for problem in jsonschema.Draft202012Validator(schema()).iter_errors(dict(given)):
        place = ".".join(map(str, problem.absolute_path))
        if problem.validator == "additionalProperties" and not place:
            for key in sorted(str(key) for key in given if key not in keys):
                close = difflib.get_close_matches(key, keys, 1)
                advice = f"Did you mean '{close[0]}'?" if close else f"Known keys: {', '.join(keys)}."
                problems.append(f"{where}: unknown key '{key}'. {advice}")
        elif problem.validator == "required" and not place:
            missing = [key for key in problem.validator_value if key not in given]
            problems += [f"{where}: '{key}' is missing. Add it: {_meaning(key)}" for key in missing]
        else:
            got = json.dumps(problem.instance, default=str)[:60]
            wanted = _wanted(problem)
            problems.append(
                f"{where}: '{place or 'job'}' is wrong (wanted {wanted}; got {got}). {_meaning(place)}".strip()
            )
    if problems:
        raise JobError.of(list(dict.fromkeys(problems)))


def _wanted(problem: Any) -> str:
    if problem.validator == "enum":
        return "one of " + ", ".join(problem.validator_value)
    if problem.validator == "oneOf":
        return "one of the forms below"
    return f"{problem.validator} {problem.validator_value}"


def _meaning(place: str) -> str:
    return str(schema()["properties"].get(place.split(".")[0], {}).get("description", ""))


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)
