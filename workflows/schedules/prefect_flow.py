"""A Prefect flow around one command, `jachess run JOB.yaml --publish DIR`; what it does is the command's contract.

    pip install ".[prefect]"
    export PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
    prefect server start                                   (in another terminal)
    export PREFECT_API_URL=http://127.0.0.1:4200/api
    python workflows/schedules/prefect_flow.py JOB.yaml DIR ["0 2 * * *" [CLUSTER]]

The command computes, validates and publishes, and is one task: Dask does the work inside of it, so the engine need
not know any block. Exit code 3 (incomplete, or another run is at work) is tried again; 1 (a failed verdict) and
2 (refused) are not: the run fails, and `alert` is called.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger, task
from prefect.client.schemas.objects import State
from pydantic import Field, FilePath

INCOMPLETE = 3


class Incomplete(Exception):
    """The same command goes on where it stopped."""


class Failed(Exception):
    """For people: a check failed, or the job is refused."""


def alert(flow: Any, run: Any, state: State[Any]) -> None:
    """Called when a run failed: replace this line by a message to whom it concerns."""
    print(f"ALERT {flow.name} {run.name}: {state.message}", file=sys.stderr, flush=True)


def is_incomplete(task: Any, run: Any, state: State[Any]) -> bool:
    """Whether trying again helps."""
    return isinstance(state.result(raise_on_failure=False), Incomplete)


@task(retries=3, retry_delay_seconds=60, retry_condition_fn=is_incomplete)
def publish(job: Path, place: Path, cluster: str | None, keep: int) -> dict[str, Any]:
    """Fingerprint, compute, validate, publish; what the command answers."""
    command = [sys.executable, "-m", "jachess", "run", str(job), "--publish", str(place), "--keep", str(keep), "--json"]
    done = subprocess.run([*command, *(["--cluster", cluster] if cluster else [])], capture_output=True, text=True)
    if not done.stdout:  # it did not get as far as to answer
        raise Failed(done.stderr.strip()[-2000:])
    answer: dict[str, Any] = json.loads(done.stdout)
    if "problems" in answer:
        raise (Incomplete if done.returncode == INCOMPLETE else Failed)("\n".join(answer["problems"]))
    if done.returncode:
        raise Failed(f"{answer['out']}: {answer['verdict']['sentence']}; {answer['previous']} stays published")
    return answer


@flow(on_failure=[alert])
def keep_up_to_date(
    job: FilePath, place: Path, cluster: str | None = None, keep: Annotated[int, Field(ge=1)] = 7
) -> dict[str, Any]:
    """Publish a new version of a job's result if anything changed; ``cluster`` is a cluster file, or a profile."""
    answer = publish(job, place, cluster, keep)
    what = "published" if answer["changed"] else "unchanged"
    get_run_logger().info(f"{what} {answer['version']}: {answer['verdict']['sentence']}")
    return answer


if __name__ == "__main__":
    given = dict(zip(("job", "place", "cron", "cluster"), sys.argv[1:], strict=False))
    cron = given.pop("cron", "0 2 * * *")
    keep_up_to_date.serve(name="nightly", cron=cron, parameters=given, limit=1)
