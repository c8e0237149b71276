"""What commands answer: exit codes, a verdict in words, everything as JSON."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jachess.batch.run import Outcome
    from jachess.checks.verdict import Verdict

COMPLETE, FAILED, REFUSED, INCOMPLETE = 0, 1, 2, 3


NOTHING = "nothing to do: this job is there already"


def tell_outcome(outcome: Outcome, in_json: bool, nothing: str = NOTHING) -> int:
    """What a run did, and its exit code."""
    plan, verdict = outcome.plan, outcome.verdict
    code = COMPLETE if verdict.passed else FAILED
    if in_json:
        return as_json(code, out=outcome.out, quantities=plan.quantities, points=plan.n_points,
                     blocks=outcome.n_blocks, computed=outcome.n_computed, seconds=outcome.seconds,
                     workers=outcome.tally.as_dict(), verdict=verdict.as_dict())  # fmt: skip
    if outcome.n_computed:
        print(f"computed  {', '.join(plan.quantities)} of {plan.n_points:,} points in {outcome.seconds:.1f} s")
        if outcome.n_computed < outcome.n_blocks:
            print(f"          {outcome.n_computed} of {outcome.n_blocks} blocks: the others were there already")
        print(f"time      {outcome.tally.sentence()}")
    else:
        print(f"complete  {nothing}")
    tell_verdict(verdict)
    print(f"result    {outcome.out}")
    print(f"next      {_command()} query {outcome.out}")
    return code


def tell_verdict(verdict: Verdict) -> None:
    """What the checks found in each quantity, and the verdict in words."""
    for name, finding in verdict.findings.items():
        print("\n          ".join([f"checked   {name}: {finding.summary()}", *finding.closer()]))
    print(f"verdict   {verdict.sentence()}")


def as_json(code: int, **answer: Any) -> int:
    """Print the answer as one JSON object."""
    print(json.dumps(answer, allow_nan=False))
    return code


def _command() -> str:
    """What to type for this command: its path, unless the shell finds it."""
    typed = sys.argv[0]
    if Path(typed).name != "jachess":
        return "python -m jachess"
    return "jachess" if typed == shutil.which("jachess") else typed
