"""Commands that keep results up to date: publish a version, list versions, compare two."""

from __future__ import annotations

import argparse

from jachess.checks.table import table
from jachess.cli.answers import COMPLETE, FAILED, as_json, tell_outcome
from jachess.cli.given import lasting_job
from jachess.errors import JobError


def publish(options: argparse.Namespace) -> int:
    """Bring the published version of a job up to date."""
    from jachess.publish.publish import publish

    if options.out is not None:
        raise JobError("--out: with --publish the place of a version is its fingerprint's. Leave one of both out.")
    options.out = f"{options.publish.rstrip('/')}/latest"
    job = lasting_job(options)
    done = publish(
        job, options.publish, keep=options.keep, checksums=options.checksums, report=options.performance_report
    )
    outcome = done.outcome
    if options.json:
        return as_json(COMPLETE if done.published else FAILED, version=done.version, changed=done.changed,
                       published=done.published, previous=done.previous, pruned=done.pruned, out=outcome.out,
                       quantities=outcome.plan.quantities, points=outcome.plan.n_points, blocks=outcome.n_blocks,
                       computed=outcome.n_computed, seconds=outcome.seconds,
                       verdict=outcome.verdict.as_dict())  # fmt: skip
    if done.published and not done.changed and not outcome.n_computed:
        print(f"unchanged {done.version} is published already")
        print(f"verdict   {outcome.verdict.sentence()}")
        print(f"result    {outcome.out}")
        code = COMPLETE
    else:
        code = tell_outcome(outcome, False)
    if not done.published:
        print(f"published no: {done.version} failed; {done.previous or 'nothing'} stays published")
    elif done.changed:
        print(f"published {done.version}" + (f", before it {done.previous}" if done.previous else ", the first"))
    for id in done.pruned:
        print(f"pruned    {id}")
    return code


def history(options: argparse.Namespace) -> int:
    """List the versions of a result."""
    from jachess.publish.versions import Versions

    versions = Versions(options.place).all()
    if options.json:
        return as_json(COMPLETE, versions=[version.as_dict() for version in versions])
    rows = [["version", "created", "finished", "state", "", "verdict"]]
    rows += [
        [v.id, v.created, v.finished, v.state, "latest" if v.published else "", str(v.verdict and v.verdict.sentence())]
        for v in versions
    ]
    print("\n".join(table(rows)))
    return COMPLETE


def diff(options: argparse.Namespace) -> int:
    """Compare two results."""
    from jachess.publish.difference import difference
    from jachess.result.open import Result

    before, after = (Result.open(place, memory=options.memory) for place in (options.before, options.after))
    found = difference(before, after, shifts=options.shifts)
    if options.json:
        return as_json(COMPLETE, before=before.path, after=after.path, **found.as_dict())
    print("\n".join(found.lines()))
    return COMPLETE
