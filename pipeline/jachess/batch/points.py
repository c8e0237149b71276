"""Points and targets: read in pieces by whoever needs them, never whole."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from jachess.batch.job import Job
from jachess.batch.tables import Table, open_table
from jachess.errors import PointsError
from jachess.network.graph import Array, Input, Network
from jachess.network.head import Head

_PIECE = 1 << 22
"""Elements that are read at once while checking."""


@dataclass(frozen=True)
class PointSource:
    """Where points and targets lie. It is small and can be sent to workers, who open the files themselves.

    Attributes
    ----------
    inputs : tuple of (Input, path or URL)
        One for each input of the network, in its order.
    targets : str or None
        Path or URL of the targets.
    count : int
        N, the number of points.
    """

    inputs: tuple[tuple[Input, str], ...]
    targets: str | None
    count: int

    def points(self, start: int, stop: int) -> tuple[Array, ...]:
        """Points start to stop: one array (n, *shape) for each input, floating ones as float64."""
        return tuple(
            np.ascontiguousarray(_table(path, i.name).read(start, stop), dtype=i.dtype).reshape(-1, *i.shape)
            for i, path in self.inputs
        )

    def chunks(self, start: int, stop: int, size: int) -> Iterator[tuple[tuple[Array, ...], Array]]:
        """Points and targets from start to stop, ``size`` at a time."""
        for first in range(start, stop, size):
            last = min(first + size, stop)
            targets = (
                np.zeros((last - first, 0))
                if self.targets is None
                else _table(self.targets, "targets").read(first, last)
            )
            yield self.points(first, last), targets

    def memory(self) -> int:
        """Bytes that a process keeps of the files, and needs to read them."""
        named = [(path, i.name) for i, path in self.inputs] + ([(self.targets, "targets")] if self.targets else [])
        return sum(_table(path, name).memory for path, name in named)

    def fingerprint(self, count: int | None = None) -> dict[str, str | None]:
        """SHA-256 of the points and of the targets, as numbers, as the files are now; their kind does not matter.

        Of all, or of the first ``count``, as if there were no others.
        """
        _table.cache_clear()
        points = hashlib.sha256()
        for i, path in self.inputs:
            points.update(_digest(_table(path, i.name), count))
        targets = None if self.targets is None else _digest(_table(self.targets, "targets"), count).hex()
        return {"points": points.hexdigest(), "targets": targets}


@lru_cache(maxsize=16)
def _table(path: str, key: str) -> Table:
    return open_table(path, key)


def _digest(table: Table, count: int | None = None) -> bytes:
    shape = (table.shape[0] if count is None else count, *table.shape[1:])
    digest = hashlib.sha256(f"{table.dtype.str}{shape}".encode())
    for start, stop in _pieces(table, count):
        digest.update(np.ascontiguousarray(table.read(start, stop)).tobytes())
    return digest.digest()


def _pieces(table: Table, count: int | None = None) -> Iterator[tuple[int, int]]:
    step, end = max(1, _PIECE // max(1, math.prod(table.shape[1:]))), table.shape[0] if count is None else count
    for start in range(0, end, step):
        yield start, min(start + step, end)


def missing_files(job: Job) -> list[str]:
    """What can be said of points and targets before the network is known."""
    paths = [path for _, path in job.points] + ([job.targets] if job.targets is not None else [])
    return [f"{path}: there is no such file." for path in paths if "://" not in path and not os.path.lexists(path)]


def open_points(job: Job, network: Network, head: Head | None) -> PointSource:
    """Open and check the points and targets of a job, every number of them.

    Raises
    ------
    PointsError
        With everything that is wrong with them.
    """
    problems: list[str] = []
    _table.cache_clear()
    inputs, tables = _match_inputs(job, network, problems)
    counts = {path: table.shape[0] for (_, path), table in zip(inputs, tables, strict=True)}
    for (i, path), table in zip(inputs, tables, strict=True):
        problems += _readable(partial(_input_problems, i, path, table))
    if head is not None and job.targets is not None:
        problems += _readable(partial(_target_problems, job.targets, head, counts))
    if len(set(counts.values())) > 1:
        problems.append(f"points: every input needs as many points (got {', '.join(map(str, counts.values()))}).")
    if problems:
        raise PointsError.of(list(dict.fromkeys(problems)))
    targets = job.targets if head is not None else None
    return PointSource(tuple(inputs), targets, next(iter(counts.values())))


def _readable(check: Callable[[], list[str]]) -> list[str]:
    try:
        return check()
    except PointsError as error:
        return [str(error)]


def _match_inputs(job: Job, network: Network, problems: list[str]) -> tuple[list[tuple[Input, str]], list[Table]]:
    named = {name: path for name, path in job.points if name is not None}
    single = next((path for name, path in job.points if name is None), None)
    unknown = sorted(set(named) - {i.name for i in network.inputs})
    if unknown:
        known = ", ".join(i.name for i in network.inputs)
        problems.append(f"points: the network has no input '{unknown[0]}' (wanted {known}).")
    inputs, tables = [], []
    for i in network.inputs:
        path = named.get(i.name, single)
        if path is None:
            problems.append(f"points: none are given for input '{i.name}'. Add it to the job's points.")
            continue
        if single is not None and len(network.inputs) > 1 and not path.endswith(".npz"):
            problems.append(
                f"{path}: the network has several inputs ({', '.join(n.name for n in network.inputs)}). "
                "Give a mapping of input name to file, or one .npz with an array for each."
            )
            break
        try:
            tables.append(_table(path, i.name))
            inputs.append((i, path))
        except PointsError as error:
            problems.append(str(error))
    return inputs, tables


def _input_problems(i: Input, path: str, table: Table) -> list[str]:
    wanted, got = math.prod(i.shape), math.prod(table.shape[1:])
    if table.shape[0] == 0:
        return [f"{path}: holds no points (got shape {table.shape})."]
    if got != wanted:
        return [
            f"{path}: wrong number of values a point for input '{i.name}' "
            f"(wanted {wanted}, shape {i.shape}; got {got}, shape {table.shape[1:]})."
        ]
    if i.dtype != "float64" and table.dtype.kind == "f":
        return [f"{path}: input '{i.name}' takes whole numbers (wanted {i.dtype}; got {table.dtype})."]
    for start, stop in _pieces(table):
        rows = table.read(start, stop).reshape(stop - start, -1)
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            return [f"{path}: point {start + int(bad[0])} holds NaN or infinity. Remove or mend it."]
    return []


def _target_problems(path: str, head: Head, counts: dict[str, int]) -> list[str]:
    table = _table(path, "targets")
    if any(count != table.shape[0] for count in counts.values()):
        wanted = next(iter(counts.values()))
        return [f"{path}: wrong number of targets (wanted {wanted}, one a point; got {table.shape[0]})."]
    width, n_outputs = math.prod(table.shape[1:]), head.network.n_outputs
    if width not in (1, n_outputs):
        return [f"{path}: each point needs {n_outputs} targets, one an output (got {width})."]
    for start, stop in _pieces(table):
        problem = head.error.check_targets(table.read(start, stop), n_outputs)
        if problem:
            return [f"{path}: {problem}."]
    return []
