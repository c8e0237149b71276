"""Airflow: the command as a task. Airflow lives in an environment of its own; name the one that has jachess."""

import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    "jachess_nightly",
    schedule="0 2 * * *",
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    catchup=False,
    max_active_runs=1,
):
    # To try again is safe after every exit code: an incomplete run (3) goes on, and a failed verdict (1) fails again
    # within a second, without anything being published.
    BashOperator(
        task_id="publish",
        bash_command="cd /srv/jachess && .venv/bin/jachess run job.yaml --publish published --keep 7 --json",
        retries=3,
        retry_delay=datetime.timedelta(minutes=5),
    )
