"""`python -m benchmarks`: measure, print a table as it grows, and write what docs/performance.md shows."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.cases import HESSIANS, JACOBIANS, NO_CLIFFS, POSITIONS
from benchmarks.job import measure_job
from benchmarks.kernels import Outcome, measure

GROUPS = {"hessian": HESSIANS, "cliffs": NO_CLIFFS, "jacobian": JACOBIANS, "positions": POSITIONS}
NAMES = [*GROUPS, "job", "all"]
TOLERANCE = {"float64": 1e-10, "float32": 1e-3}
COLUMNS = ["quantity", "network", "type", "N", "W", "ours, s", "fastest peer, s", "peer", "ratio", "target"]
COLUMNS += ["of GEMM", "writes, GB/s", "peak, MiB", "peer's"]


def main() -> int:
    """Run the benchmarks; 1 if a contender computed other numbers than ours."""
    arguments = _arguments()
    chosen = set(NAMES if "all" in arguments.groups else arguments.groups)
    cases = [
        replace(case, dtype=dtype)
        for group, members in GROUPS.items()
        for case in members
        for dtype in arguments.dtype or ["float64", "float32"]
        if group in chosen and arguments.only in (None, case.name)
    ]
    lines: list[str] = []
    versions: set[str] = set()
    wrong: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    if cases:
        tell(_line(COLUMNS))
        tell("|---" * len(COLUMNS) + "|")
    for outcome in measure(cases, _pythons(arguments), arguments.turns):
        tell(_line(_cells(outcome)))
        print(_details(outcome), file=sys.stderr, flush=True)
        versions |= set(outcome.versions)
        wrong += [peer.name for peer in outcome.peers if not peer.difference < TOLERANCE[outcome.case.dtype]]
    for line in measure_job().lines() if "job" in chosen else ():
        tell(f"\n{line}")
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores; Python {platform.python_version()}"
    tell("\n" + "; ".join([machine, *sorted(versions)]))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")
    if wrong:
        print(f"other numbers than ours: {', '.join(wrong)}", file=sys.stderr)
    return bool(wrong)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", default=["all"], metavar="GROUP", help=", ".join(NAMES))
    parser.add_argument("--dtype", action="append", choices=["float64", "float32"], help="both, unless given")
    parser.add_argument("--turns", type=int, default=9, help="how often each contender runs (default 9)")
    parser.add_argument("--only", help="one network, such as 20-64-64-5")
    parser.add_argument("--jax", metavar="PYTHON", help="an interpreter that has jax, if this one does not")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter that has torch, if this one does not")
    parser.add_argument("--out", type=Path, help="where to write the table")
    arguments = parser.parse_args()
    if unknown := set(arguments.groups) - set(NAMES):
        parser.error(f"no such group: {', '.join(sorted(unknown))} (wanted {', '.join(NAMES)})")
    return arguments


def _pythons(arguments: argparse.Namespace) -> dict[str, str]:
    """The interpreters for the peers that are there."""
    found = {}
    for name in ("jax", "torch"):
        if given := getattr(arguments, name):
            found[f"with_{name}"] = given
        elif importlib.util.find_spec(name):
            found[f"with_{name}"] = sys.executable
    return found


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(outcome: Outcome) -> list[str]:
    case, ours = outcome.case, outcome.ours
    cells = [case.quantity, case.name, case.dtype, f"{case.n_points:,}", f"{case.n_weights:,}", f"{ours.seconds:.4f}"]
    best = outcome.peers[0] if outcome.peers else None
    cells += [f"{best.seconds:.4f}", best.name, f"{outcome.ratio:.1f}"] if best else ["", "", ""]
    cells += [
        f"{case.target:g}" if case.target else "",
        f"{outcome.share:.0%}" if outcome.share is not None else "",
        f"{case.n_bytes / ours.seconds / 1e9:.1f}",
    ]
    return [*cells, f"{ours.peak / 2**20:.0f}", f"{best.peak / 2**20:.0f}" if best else ""]


def _details(outcome: Outcome) -> str:
    """All contenders, for those who read the log."""
    lines = [f"    GEMM {outcome.gemm_rate / 1e9:.0f} GF/s"]
    for peer in outcome.peers:
        turns = f"{peer.n_turns} turns, {peer.peak / 2**20:.0f} MiB, differs by {peer.difference:.0e}"
        lines.append(f"    {peer.name:<24} {peer.seconds:9.4f} s, {turns}")
    lines += [f"    {name:<24} did not finish" for name in outcome.failed]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
