"""What each command does: one call of the library, and what is said about it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jachess.cli.answers import COMPLETE, FAILED, INCOMPLETE, REFUSED, as_json, tell_outcome, tell_verdict
from jachess.cli.arguments import parser
from jachess.cli.cluster import cluster
from jachess.cli.given import job_of_options, lasting_job
from jachess.cli.publishing import diff, history, publish
from jachess.cli.sharding import finalize, plan_shards, run_shard
from jachess.errors import IncompleteError, InputError, JobError


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
        "run-shard": run_shard,
        "finalize": finalize,
        "cluster": cluster,
        "status": _status,
        "validate": _validate,
        "query": _query,
        "report": _report,
        "history": history,
        "diff": diff,
    }
    in_json = getattr(options, "json", False)
    try:
        return commands[options.command](options)
    except InputError as error:
        return _refuse(str(error), REFUSED, in_json)
    except IncompleteError as error:
        return _refuse(str(error), INCOMPLETE, in_json)
    except KeyboardInterrupt:
        return _refuse("interrupted. Repeat the command to go on.", INCOMPLETE, in_json)
    except BrokenPipeError:
        sys.stderr.close()
        return COMPLETE
    except OSError as error:  # a full or vanished disk, say
        place = error.filename or options.command
        return _refuse(f"{place}: {error.strerror}. Mend it and repeat the command.", INCOMPLETE, in_json)


def _refuse(message: str, code: int, in_json: bool) -> int:
    """Tell what is wrong: to people, and to programs if they asked for JSON."""
    problems = message.splitlines()
    for line in problems:
        print(f"jachess: {line}", file=sys.stderr)
    return as_json(code, problems=problems) if in_json else code


def _plan(options: argparse.Namespace) -> int:
    from jachess.batch.planning import describe
    from jachess.batch.run import plan_job

    if options.shards is not None:
        return plan_shards(options)
    print(describe(plan_job(job_of_options(options)).plan))
    return COMPLETE


def _run(options: argparse.Namespace) -> int:
    from jachess.batch.run import run_job

    if options.publish is not None:
        return publish(options)
    if options.keep is not None:
        raise JobError("--keep: is for versions that are published. Add --publish DIR, or leave it out.")
    job = lasting_job(options)
    return tell_outcome(run_job(job, checksums=options.checksums, report=options.performance_report), options.json)


def _status(options: argparse.Namespace) -> int:
    from jachess.batch.labels import damaged_labels
    from jachess.batch.progress import tell
    from jachess.batch.store import chunk_key
    from jachess.result.follow import follow
    from jachess.result.open import Result

    if options.watch:
        follow(options.out, tell)
    result = Result.open(options.out)
    attributes, verdict, progress = result.store.attributes, result.verdict, result.progress()
    damaged = [*result.store.damaged_chunks(), *damaged_labels(result.store)] if options.checksums else []
    code = COMPLETE if verdict is not None and verdict.passed else FAILED
    if verdict is None or any(done < total for done, total in progress.values()):
        code = INCOMPLETE
    if damaged:
        code = FAILED
    if options.json:
        blocks = {name: {"done": done, "total": total} for name, (done, total) in progress.items()}
        chunks = [{"array": name, "chunk": indices} for name, indices in damaged]
        return as_json(code, state=result.state, blocks=blocks, verdict=None if verdict is None else verdict.as_dict(),
                     **{key: attributes[key] for key in ("job", "versions", "created_time")},
                     **({"damaged": chunks} if options.checksums else {}))  # fmt: skip
    print(f"state     {result.state}")
    for name, (done, total) in progress.items():
        print(f"{name:<9} {done:,} of {total:,} blocks")
    if verdict is not None:
        tell_verdict(verdict)
    job = attributes["job"]
    print(f"network   {job['network']}")
    for name, path in job["points"].items():
        print(f"{name:<9} {path}")
    print(f"versions  {', '.join(f'{name} {version}' for name, version in attributes['versions'].items())}")
    print(f"created   {attributes['created_time']}")
    if options.checksums:
        for name, indices in damaged:
            place = result.store.storage.address(chunk_key(name, indices))
            print(f"damaged   {name}, chunk {indices}: {place}")
        advice = f"{len(damaged)} chunks are damaged: jachess run --checksums computes them again"
        print(f"checksums {advice if damaged else 'all right'}")
    return code


def _validate(options: argparse.Namespace) -> int:
    from jachess.result.validation import validate

    names = ("network", "points", "targets", "confine", "workers", "cluster", "scheduler")
    verdict = validate(options.out, **{name: getattr(options, name) for name in names})
    code = COMPLETE if verdict.passed else FAILED
    if options.json:
        return as_json(code, out=options.out, verdict=verdict.as_dict())
    tell_verdict(verdict)
    return code


def _query(options: argparse.Namespace) -> int:
    from jachess.result.open import Result
    from jachess.result.query import select, select_largest, summarise
    from jachess.result.rendering import render

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
    if options.summary:
        if any(selections.values()):
            raise InputError("query: --summary is of the whole array. Leave the selections out.")
        answer: Any = summarise(result, options.array)
    elif options.largest is not None:
        answer = select_largest(result, options.array, selections, options.largest)
    else:
        answer = select(result, options.array, selections)
    sys.stdout.buffer.write(render(answer, options.format))
    sys.stdout.buffer.flush()
    return COMPLETE


def _report(options: argparse.Namespace) -> int:
    from jachess.batch.storage import is_url
    from jachess.result.open import Result
    from jachess.result.report import report

    result = Result.open(options.out, memory=options.memory)
    beside = Path(result.path).with_suffix(".html")
    file = Path(options.output or (beside.name if is_url(result.path) else beside))
    if not file.absolute().parent.is_dir():
        raise InputError(f"{file}: its folder does not exist. Create it first: mkdir -p {file.absolute().parent}")
    page = report(result)
    file.write_text(page, encoding="utf-8")
    print(f"report    {file}")
    return COMPLETE
