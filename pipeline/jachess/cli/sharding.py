"""Commands of jobs without a scheduler: dealt to shards, computed one by one, judged in the end."""

from __future__ import annotations

import argparse

from jachess.cli.answers import COMPLETE, tell_outcome
from jachess.cli.given import job_of_options


def plan_shards(options: argparse.Namespace) -> int:
    """Create the store and say how its blocks are dealt."""
    from jachess.batch import shards
    from jachess.batch.planning import describe
    from jachess.batch.quantities import n_blocks

    prepared = shards.plan_shards(job_of_options(options), options.shards)
    print(describe(prepared.plan))
    last, most = options.shards - 1, -(-n_blocks(prepared.plan) // options.shards)
    print(f"shards    0 to {last}, of {most} blocks at most: jachess run-shard --index; then jachess finalize")
    return COMPLETE


def run_shard(options: argparse.Namespace) -> int:
    """Compute a shard and say what was done."""
    from jachess.batch import shards

    outcome = shards.run_shard(job_of_options(options), options.index)
    print(f"shard     {options.index}: {outcome.n_computed} blocks computed, {outcome.n_read_back} read back")
    if outcome.waiting:
        print(f"          {', '.join(outcome.waiting)}: to be read back once all shards are computed")
    return COMPLETE


def finalize(options: argparse.Namespace) -> int:
    """Judge the whole and seal it."""
    from jachess.batch import shards

    return tell_outcome(shards.finalize(job_of_options(options)), options.json, "all shards are computed")
