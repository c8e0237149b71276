"""Airflow: the command as a task. Airflow lives in an environment of its own; name the place that has jachess."""

import datetime
import subprocess

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException

PLACE = "/srv/jachess"
COMMAND = [".venv/bin/jachess", "run", "job.yaml", "--publish", "published", "--keep", "7", "--json"]
INCOMPLETE = 3

with DAG(
    "jachess_nightly",
    schedule="0 2 * * *",
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    catchup=False,
    max_active_runs=1,
):

    @task(retries=3, retry_delay=datetime.timedelta(minutes=5))
    def publish() -> None:
        """An incomplete run goes on when it is tried again; a failed verdict (1), a refused job (2) are not tried."""
        done = subprocess.run(COMMAND, cwd=PLACE, capture_output=True, text=True)
        print(done.stdout, done.stderr)
        if done.returncode:
            raise (RuntimeError if done.returncode == INCOMPLETE else AirflowFailException)(done.stderr or done.stdout)

    publish()
