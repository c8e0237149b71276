"""`python -m benchmarks`: measure, print a table as it grows, and write it for docs/performance.md."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.cases import CASES, HESSIANS, JACOBIANS, NO_CLIFFS
from benchmarks.kernels import Outcome, measure

GROUPS = {"hessian": HESSIANS, "cliffs": NO_CLIFFS, "jacobian": JACOBIANS, "all": CASES}
TOLERANCE = {"float64": 1e-10, "float32": 1e-3}
HEAD = (
    "| quantity | network | type | N | W | ours, s | fastest peer, s | peer | ratio | of GEMM | peak, MiB | peer's |\n"
)
HEAD += "|---|---|---|---|---|---|---|---|---|---|---|---|"


def row(outcome: Outcome) -> str:
    """One line of the table."""
    case, ours = outcome.case, outcome.ours
    cells = [case.quantity, case.name, case.dtype, f"{case.n_points:,}", f"{case.n_weights:,}", f"{ours.seconds:.4f}"]
    if outcome.peers:
        best = outcome.peers[0]
        cells += [f"{best.seconds:.4f}", best.name, f"{outcome.ratio:.1f}"]
    else:
        cells += ["", "", ""]
    cells += [f"{outcome.share:.0%}", f"{ours.peak / 2**20:.0f}"]
    cells += [f"{outcome.peers[0].peak / 2**20:.0f}" if outcome.peers else ""]
    return f"| {' | '.join(cells)} |"


def details(outcome: Outcome) -> str:
    """All contenders, for those who read the log."""
    lines = [f"    GEMM {outcome.gemm_rate / 1e9:.0f} GF/s"]
    lines += [
        f"    {e.name:<24} {e.seconds:9.4f} s, {e.n_turns} turns, {e.peak / 2**20:6.0f} MiB, differs by {e.difference:.0e}"
        for e in outcome.peers
    ]
    lines += [f"    {name:<24} did not finish" for name in outcome.failed]
    return "\n".join(lines)


def main() -> int:
    """Run the benchmarks; 1 if a contender computed other numbers than ours."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "groups", nargs="*", default=["all"], choices=sorted(GROUPS), metavar="GROUP", help=f"{sorted(GROUPS)}"
    )
    parser.add_argument("--dtype", action="append", choices=["float64", "float32"], help="both, unless given")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--only", help="a network, such as 20-64-64-5")
    parser.add_argument("--jax", metavar="PYTHON", help="an interpreter that has jax, if this one does not")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter that has torch, if this one does not")
    parser.add_argument("--out", type=Path, help="where to write the table")
    arguments = parser.parse_args()
    pythons = {}
    for name in ("jax", "torch"):
        if getattr(arguments, name) or importlib.util.find_spec(name):
            pythons[f"with_{name}"] = getattr(arguments, name) or sys.executable
    cases = [
        replace(case, dtype=dtype)
        for dtype in arguments.dtype or ["float64", "float32"]
        for group in arguments.groups
        for case in GROUPS[group]
        if arguments.only in (None, case.name)
    ]
    lines, versions, wrong = [HEAD], set(), []
    print(HEAD, flush=True)
    for outcome in measure(cases, pythons, arguments.turns):
        lines.append(row(outcome))
        versions |= set(outcome.versions)
        print(lines[-1], flush=True)
        print(details(outcome), file=sys.stderr, flush=True)
        wrong += [e.name for e in outcome.peers if not e.difference < TOLERANCE[outcome.case.dtype]]
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores; Python {platform.python_version()}; "
    lines += ["", machine + "; ".join(sorted(versions))]
    print(lines[-1])
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")
    if wrong:
        print(f"other numbers than ours: {', '.join(wrong)}", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
