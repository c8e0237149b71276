"""A job: what to compute, from which network and points, and where to put it."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jachess.batch.job_schema import meaning, validate_job
from jachess.batch.plain_yaml import read_yaml_file
from jachess.errors import JobError

QUANTITIES = ("outputs", "jacobian", "weight_jacobian", "input_hessian", "gradient", "hessian", "outer_product",
              "block_diagonal", "outer_product_blocks", "diagonal", "outer_product_diagonal")  # fmt: skip
"""All quantities, in the order in which they are computed."""
SYMMETRIC = {"hessian", "outer_product", "block_diagonal", "outer_product_blocks"}
"""Those of which the upper triangle may be stored alone."""
OF_THE_ERROR = {"gradient", "diagonal", "outer_product_diagonal", *SYMMETRIC}
"""Those that are derivatives of the error function."""

ADDITIVE = {"outputs", "jacobian", "weight_jacobian", "input_hessian", "gradient", "hessian", "outer_product"}
"""Those that may be computed of further points alone, and added to an earlier result."""

_PATHS = ("network", "targets", "out", "cluster", "confine", "extends")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


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
    extends: str | None = None

    @property
    def needs_error(self) -> bool:
        """Whether a quantity is a derivative of the error function."""
        return not OF_THE_ERROR.isdisjoint(self.quantities)

    @property
    def in_process(self) -> bool:
        """Whether a place that it names is in the memory of this process, which its workers must share then."""
        places = [self.out, self.extends or "", self.targets or "", *(path for _, path in self.points)]
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


def load_job(path: str | Path, changes: Mapping[str, Any] | None = None) -> Job:
    """Read a job file (YAML); ``changes`` replace or add single keys of it.

    Relative paths in the file are taken from its folder, those in ``changes`` from the current one.

    Raises
    ------
    JobError
        With everything that is wrong with the file.
    """
    path = Path(path)
    given = read_yaml_file(path, "job file")
    if not isinstance(given, dict):
        raise JobError(f"{path}: a job is a mapping of keys to values (got {type(given).__name__}).")
    changes = changes or {}
    kept = {key: value for key, value in given.items() if key not in changes}
    validate_job({**kept, **changes}, str(path))
    return job_of({**_resolved(kept, path.parent), **changes}, str(path))


def job_of(keys: Mapping[str, Any], where: str = "job") -> Job:
    """A job from its keys, as in a job file.

    Raises
    ------
    JobError
        With everything that is wrong with them.
    """
    validate_job(keys, where)
    given = dict(keys)
    compute, points = set(given.pop("compute")), given.pop("points")
    problems = [
        f"{where}: '{key}' is missing, and {' and '.join(sorted(compute & OF_THE_ERROR))} needs it. Add {key}: …"
        for key in ("targets", "error")
        if compute & OF_THE_ERROR and not given.get(key)
    ]
    if given.get("cluster") and given.get("scheduler"):
        problems.append(f"{where}: 'cluster' and 'scheduler' exclude each other. Keep one.")
    if math.isnan(given.get("patience", 0)):
        problems.append(f"{where}: 'patience' is not a number. {meaning('patience')}")
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
    if job.extends is not None and _same_place(job.extends, job.out):
        problems.append(f"{where}: 'extends' and 'out' are the same. A result is never altered: choose another place.")
    if job.in_process and (job.cluster or job.scheduler):
        problems.append(f"{where}: a cluster cannot see memory://, which is in this process. Choose another place.")
    if problems:
        raise JobError.of(problems)
    return job


def _same_place(one: str, other: str) -> bool:
    if "://" in one or "://" in other:
        return one.rstrip("/") == other.rstrip("/")
    return Path(one).resolve() == Path(other).resolve()


def n_bytes(text: str) -> int:
    """Bytes of a size like 2GiB or 500 MB."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?([kKMGT]i?)?B", text)
    if match is None:
        raise JobError(f"memory: not a size (wanted something like 2GiB; got {reprlib.repr(text)}).")
    return int(float(match[1]) * _UNITS[(match[2] or "").replace("K", "k")])


def _resolved(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    def from_folder(text: str) -> str:
        return text if "://" in text else str(folder / text)

    resolved = {key: from_folder(value) if key in _PATHS else value for key, value in given.items()}
    if "points" in given:
        points = given["points"]
        resolved["points"] = (
            from_folder(points) if isinstance(points, str) else {key: from_folder(file) for key, file in points.items()}
        )
    return resolved
