"""`python -m benchmarks.exporters`: networks written by exporters, read by jachess, compared with the originals.

Outputs, Jacobians of every input, gradients and full Hessians of several error functions, against automatic
differentiation of the original in float64. A cell is the largest relative difference, of norms; if the float32
constants of a file make it larger than 1e-9, that of the same network written from float64 as well. Exits with 1 if
that is larger too, a file is refused, or a job on it does not end verified.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from distributed import LocalCluster

from benchmarks.exporters import scikit
from benchmarks.exporters.comparison import Comparison, compare
from benchmarks.exporters.export import EXPORTERS, N_POINTS, points_of, seeded
from benchmarks.exporters.job import verdict
from benchmarks.exporters.networks import CASES, Case
from benchmarks.exporters.reference import Array, Reference
from jachess.errors import JachessError

LARGEST = 1e-9


class NotExportedError(Exception):
    """The exporter itself has refused."""


@dataclass(frozen=True)
class Written:
    """A file, what it is compared with, and how."""

    path: Path
    references: list[Reference]
    points: list[Array]
    ends: str | None

    def compare(self) -> Comparison:
        return compare(self.path, self.references, self.points, self.ends)


def from_torch(case: Case, exporter: str, folder: Path, dtype: torch.dtype = torch.float32) -> Written:
    """Export a network of the table with weights of this type."""
    points = points_of(case)
    inputs = tuple(torch.from_numpy(x).to(dtype if x.dtype.kind == "f" else torch.int64) for x in points)
    try:
        EXPORTERS[exporter](seeded(case).to(dtype), inputs, folder / "network.onnx")
    except Exception as error:
        raise NotExportedError(f"{type(error).__name__}: {' '.join(str(error).split())[:100]}") from error
    references = [Reference(twin(seeded(case).to(dtype))) for twin in case.twins]
    return Written(folder / "network.onnx", references, points, case.ends)


def from_scikit(name: str, kind: str, folder: Path) -> Written:
    """Train and export a pipeline of scikit-learn."""
    pipeline, ends = scikit.fitted(name)
    scikit.write(pipeline, kind, folder / "network.onnx")
    points = [np.random.default_rng(1).normal(size=(N_POINTS, scikit.N_INPUTS))]
    return Written(folder / "network.onnx", [Reference(scikit.module(pipeline, kind))], points, ends)


def cell(write: Callable[..., Written], case: Case | str, exporter: str, scheduler: str | None) -> tuple[bool, str]:
    """Whether all is well, and what came out, for people."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            written = write(case, exporter, folder)
            found = written.compare()
            said = verdict(written.path, written.points, written.ends, scheduler) if scheduler else "verified"
            right, text = found.difference <= LARGEST, f"{found.difference:.0e}"
            if not right and isinstance(case, Case):  # the file's float32 constants, or a mistake
                wide = from_torch(case, exporter, folder, torch.float64).compare()
                right, text = wide.difference <= LARGEST, f"{text} (from float64 {wide.difference:.0e})"
        except JachessError as error:
            return False, f"refused: {error}"
        except NotExportedError as error:
            return True, f"not exported: {error}"
    for what, names in (("no weights by themselves", found.missed), ("weights by mistake", found.foreign)):
        text += f"; {what}: {', '.join(names)}" if names else ""
    if not said.startswith("verified"):
        right, text = False, f"{text}; {said}"
    return right, text


def table(write: Callable[..., Written], cases: list[Case | str], exporters: list[str], scheduler: str | None
) -> Iterator[tuple[bool, str]]:  # fmt: skip
    """Line by line, and whether all in it is well."""
    yield True, f"| network | {' | '.join(exporters)} |"
    yield True, "|---" * (1 + len(exporters)) + "|"
    for case in cases:
        cells = [cell(write, case, exporter, scheduler) for exporter in exporters]
        yield all(right for right, _ in cells), f"| {case} | {' | '.join(text for _, text in cells)} |"


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser("python -m benchmarks.exporters", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="networks whose family or name contains this")
    parser.add_argument("--exporter", action="append", choices=list(EXPORTERS), help="of PyTorch; all, if not given")
    parser.add_argument("--job", action="store_true", help="run a whole job on every file too")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
    torch.backends.mha.set_fastpath_enabled(False)
    torch.set_num_threads(1)
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) if arguments.job else None
    address = cluster.scheduler_address if cluster else None
    tables: list[tuple[Callable[..., Written], list[Case | str], list[str]]] = [
        (from_torch, [c for c in CASES if arguments.only in str(c)], arguments.exporter or list(EXPORTERS)),
        (from_scikit, [n for n in scikit.NAMES if arguments.only in f"scikit-learn: {n}"], list(scikit.TYPES)),
    ]
    wrong = 0
    for write, cases, exporters in tables:
        for right, line in table(write, cases, exporters, address) if cases else ():
            print(line, flush=True)
            wrong += not right
    if cluster:
        cluster.close()
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
