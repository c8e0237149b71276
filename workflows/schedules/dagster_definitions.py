"""Dagster definitions around one command, `jachess run JOB.yaml --publish DIR`.

    pip install ".[dagster]"
    JACHESS_JOB=job.yaml JACHESS_DIR=published dagster dev -f workflows/schedules/dagster_definitions.py

The asset's data version is the fingerprint that the command tells; the blocking check stops what hangs on it if the
verdict failed; the sensor asks for a run when the network's file changed, once for each of its contents.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg

JOB, PLACE = Path(os.environ.get("JACHESS_JOB", "job.yaml")), Path(os.environ.get("JACHESS_DIR", "published"))
CHECK = dg.AssetCheckSpec("verdict", asset="derivatives", blocking=True)


@dg.asset(check_specs=[CHECK])
def derivatives() -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Compute, validate and publish what changed; what is unchanged takes a second."""
    command = [sys.executable, "-m", "jachess", "run", str(JOB), "--publish", str(PLACE), "--keep", "7", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 3:  # incomplete: the same command goes on
        raise dg.RetryRequested(max_retries=3, seconds_to_wait=60)
    if not done.stdout:  # it did not get as far as to answer
        raise dg.Failure(done.stderr.strip()[-2000:], allow_retries=False)
    answer = json.loads(done.stdout)
    if "problems" in answer:
        raise dg.Failure("\n".join(answer["problems"]), allow_retries=False)
    sentence = answer["verdict"]["sentence"]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(answer["version"]),
        metadata={"out": answer["out"], "changed": answer["changed"], "computed": answer["computed"]},
        check_results=[
            dg.AssetCheckResult(check_name="verdict", passed=answer["published"], metadata={"sentence": sentence})
        ],
    )


keep_up_to_date = dg.define_asset_job("keep_up_to_date", [derivatives])


@dg.sensor(job=keep_up_to_date, minimum_interval_seconds=60)
def network_changed() -> dg.RunRequest | dg.SkipReason:
    """One run for each content of the network's file."""
    import yaml

    network = JOB.parent / yaml.safe_load(JOB.read_text())["network"]
    if not network.is_file():
        return dg.SkipReason(f"{network} is not there")
    return dg.RunRequest(run_key=hashlib.sha256(network.read_bytes()).hexdigest())


definitions = dg.Definitions(
    assets=[derivatives],
    jobs=[keep_up_to_date],
    sensors=[network_changed],
    schedules=[dg.ScheduleDefinition(job=keep_up_to_date, cron_schedule="0 2 * * *")],
)
