"""`python -m benchmarks.faults`: right random networks, and planted faults in them; what the checks say of each."""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tests.faults.blocks import CHECKED
from tests.faults.fault import Fault
from tests.faults.random_networks import random_network
from tests.faults.table import FAULTS
from tests.faults.trial import Subject
from threadpoolctl import threadpool_limits

from jachess.batch.seal import agreement_of

REACH = 10.0
"""A fault that a difference could tell from rounding ten times over should never be missed."""
AGREEMENT = "agreement of independent ways"


def main() -> int:
    """Print the tables; 1 if a right row was refused, or a fault within reach was missed."""
    arguments = _arguments()
    warnings.simplefilter("ignore")
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        refused = right_networks(arguments.right, Path(folder))
        missed = planted(arguments.networks, arguments.only, Path(folder))
    return int(bool(refused or missed))


def subjects(count: int, folder: Path, name: str, dtype: str | None = None) -> Iterator[Subject]:
    """Random networks, each in two strips and two blocks of points."""
    for seed in range(count):
        network = random_network(seed)
        n_weights, n_points = network.case.network.n_weights, len(network.case.targets)
        yield Subject(network.case, folder / f"{name}{seed}", dtype or network.dtype, strip=n_weights // 2 + 1,
                      points_per_block=-(-n_points // 2), points_at_once=-(-n_points // 3))  # fmt: skip


def right_networks(count: int, folder: Path) -> int:
    """Rows of right networks: how many are refused, or have no verdict, and the largest residual."""
    rows, failed, none, largest = Counter[str](), Counter[str](), Counter[str](), defaultdict[str, float](float)
    for subject in subjects(count, folder, "right"):
        for quantity in CHECKED:
            residual = subject.right(quantity).residual
            rows[quantity] += residual.size
            failed[quantity] += int((residual > 1).sum())
            none[quantity] += int(np.isnan(residual).sum())
            largest[quantity] = max(largest[quantity], float(np.nanmax(residual, initial=0.0)))
        finding = agreement_of(subject.context)
        rows[AGREEMENT] += finding.rows
        failed[AGREEMENT] += finding.failed
        largest[AGREEMENT] = max(largest[AGREEMENT], finding.largest)
    print(f"{count} right networks\n\n| quantity | rows | refused | without a verdict | largest residual |")
    print("|---|---|---|---|---|")
    for name in (*CHECKED, AGREEMENT):
        print(f"| {name} | {rows[name]:,} | {failed[name]} | {none[name]} | {largest[name]:.2f} |", flush=True)
    return sum(failed.values())


def planted(count: int, only: str, folder: Path) -> int:
    """Each fault in each random network: where it bites, and whether it is found."""
    faults = [fault for fault in FAULTS if only in str(fault)]
    tallies = {fault.kind: Counter[str]() for fault in faults}
    for subject in subjects(count, folder, "faulty", "float64"):
        for fault in faults:
            if fault.operation and fault.operation not in subject.operations:
                continue
            for quantity in fault.quantities:
                _count(tallies[fault.kind], subject, fault, quantity)
    print(f"\n{len(faults)} faults of {len(tallies)} kinds in {count} random networks\n")
    print("| kind of fault | faults | where it bites | found | missed | below rounding | rows wrong | found |")
    print("|---|---|---|---|---|---|---|---|")
    total = Counter[str]()
    for kind, tally in tallies.items():
        total.update(tally)
        print(_line(kind, sum(fault.kind == kind for fault in faults), tally))
    print(_line("all", len(faults), total))
    return total["missed"]


def _count(tally: Counter[str], subject: Subject, fault: Fault, quantity: str) -> None:
    trial = subject.attempt(fault, quantity)
    if not trial.bites(fault):
        return
    if trial.error:
        tally.update(bites=1, found=1)
        return
    within = (subject.reach(trial, quantity) > REACH) & (trial.changes > fault.least)
    if not within.any() and not trial.caught:
        tally["below"] += 1
        return
    tally.update(bites=1, found=int(trial.caught), missed=int(not trial.caught), rows=int(within.sum()),
                 seen=int((within & trial.failed).sum()))  # fmt: skip
    if not trial.caught:
        reach = subject.reach(trial, quantity).max()
        print(f"missed: {fault} in {subject.case}, {quantity}: {reach:.0f} times what is told from rounding",
              file=sys.stderr, flush=True)  # fmt: skip


def _line(name: str, n_faults: int, tally: Counter[str]) -> str:
    cells = [name, f"{n_faults}", f"{tally['bites']:,}", f"{tally['found']:,}", f"{tally['missed']:,}",
             f"{tally['below']:,}", f"{tally['rows']:,}", f"{tally['seen'] / max(tally['rows'], 1):.1%}"]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--right", type=int, default=200, help="right networks to check (default 200)")
    parser.add_argument("--networks", type=int, default=20, help="networks to plant each fault in (default 20)")
    parser.add_argument("--only", default="", help="faults with this in their name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
