"""What each command does: one call of the library, and what is said about it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from jachess.cli.arguments import parser
from jachess.errors import IncompleteError, InputError, JobError

COMPLETE, FAILED, REFUSED, INCOMPLETE = 0, 1, 2, 3
_QUANTITIES = ("outputs", "jacobian", "gradient", "hessian")
_KEYS = ("network", "points", "targets", "error", "out", "dtype", "triangle", "memory", "workers", "cluster",
         "scheduler", "input", "output", "method")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Returns
    -------
    int
        0 complete and verified; 1 a check failed, or no verdict was possible; 2 refused; 3 incomplete.
    """
    options = parser().parse_args(arguments)
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "run": _run,
        "plan": _plan,
        "status": _status,
        "validate": _validate,
        "query": _query,
    }
    try:
        return commands[options.command](options)
    except InputError as error:
        return _refuse(str(error), REFUSED)
    except IncompleteError as error:
        return _refuse(str(error), INCOMPLETE)
    except KeyboardInterrupt:
        return _refuse("interrupted. Repeat the command to go on.", INCOMPLETE)
    except BrokenPipeError:
        sys.stderr.close()
        return COMPLETE


def _refuse(message: str, code: int) -> int:
    for line in message.splitlines():
        print(f"jachess: {line}", file=sys.stderr)
    return code


def _job(options: argparse.Namespace) -> Any:
    """The job of the file, the flags and --set, in this order."""
    import yaml

    from jachess.batch.job import job_of, load_job

    changes = {key: getattr(options, key) for key in _KEYS if getattr(options, key) is not None}
    wanted = [name for name in _QUANTITIES if getattr(options, name)]
    if wanted:
        changes["compute"] = wanted
    if options.weights is not None:
        changes["weights"] = "auto" if options.weights == "auto" else options.weights.split(",")
    for text in options.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise JobError(f"--set: not of the form key=value (got {text!r}).")
        changes[key] = yaml.safe_load(value)
    return load_job(options.job, changes) if options.job else job_of(changes, "flags")


def _plan(options: argparse.Namespace) -> int:
    from jachess.batch.planning import describe
    from jachess.batch.run import plan_job

    print(describe(plan_job(_job(options)).plan))
    return COMPLETE


def _run(options: argparse.Namespace) -> int:
    from jachess.batch.run import run_job

    outcome = run_job(_job(options))
    plan, verdict = outcome.plan, outcome.verdict
    if outcome.n_computed:
        print(f"computed  {', '.join(plan.quantities)} of {plan.n_points:,} points in {outcome.seconds:.1f} s")
        if outcome.n_computed < outcome.n_blocks:
            print(f"          {outcome.n_computed} of {outcome.n_blocks} blocks: the others were there already")
    else:
        print("complete  nothing to do: this job is there already")
    for name, finding in verdict.findings.items():
        rest = f", {finding.unverified:,} without a verdict" if finding.unverified else ""
        print(
            f"checked   {name}: {finding.rows:,} rows against {finding.opponent}{rest}; "
            f"largest discrepancy {finding.largest:.2g} of its tolerance"
        )
    print(f"verdict   {verdict.sentence()}")
    print(f"result    {outcome.path}")
    print(f"next      jachess query {outcome.path}")
    return COMPLETE if verdict.passed else FAILED


def _status(options: argparse.Namespace) -> int:
    from jachess.result.open import Result

    result = Result.open(options.out)
    attributes = result.store.attributes
    print(f"state     {result.state}")
    progress = result.progress()
    for name, (done, total) in progress.items():
        print(f"{name:<9} {done:,} of {total:,} blocks")
    if result.verdict is not None:
        print(f"verdict   {result.verdict['sentence']}")
    job = attributes["job"]
    print(f"network   {job['network']}")
    for name, path in job["points"].items():
        print(f"{name:<9} {path}")
    print(f"versions  {', '.join(f'{name} {version}' for name, version in attributes['versions'].items())}")
    print(f"created   {attributes['created_time']}")
    if options.checksums:
        damaged = list(result.store.damaged_chunks())
        for name, indices in damaged:
            file = result.store.chunk_file(name, indices)
            print(f"damaged   {name}, chunk {indices}: remove {file} and run the job again")
        print(f"checksums {'all right' if not damaged else f'{len(damaged)} chunks are damaged'}")
        if damaged:
            return FAILED
    if any(done < total for done, total in progress.values()) or result.verdict is None:
        return INCOMPLETE
    return COMPLETE if result.verdict["passed"] else FAILED


def _validate(options: argparse.Namespace) -> int:
    from jachess.result.validation import validate

    verdict = validate(options.out, network=options.network, points=options.points, targets=options.targets)
    for name, finding in verdict.findings.items():
        largest = f"largest discrepancy {finding.largest:.2g} of its tolerance"
        print(f"checked   {name}: {finding.rows:,} stored rows; {largest}")
    print(f"verdict   {verdict.sentence()}")
    return COMPLETE if verdict.passed else FAILED


def _query(options: argparse.Namespace) -> int:
    from jachess.result.open import Result
    from jachess.result.query import render, select

    result = Result.open(options.out)
    if result.state == "running":
        print("jachess: this result is still incomplete; missing parts read as nan.", file=sys.stderr)
    if options.array is None:
        for name in result.store.array_names():
            array = result.array(name)
            sizes = ", ".join(f"{d} {n}" for d, n in zip(array.metadata.dimension_names, array.shape, strict=True))
            print(f"{name:<18} {array.dtype!s:<8} {sizes}")
        return COMPLETE
    selections = {
        "point": options.point,
        "output": options.output,
        "input": options.input,
        "weight_i": options.rows,
        "weight_j": options.columns,
    }
    sys.stdout.buffer.write(render(select(result, options.array, selections), options.format))
    sys.stdout.buffer.flush()
    return COMPLETE
