"""Prefect's schedule, for real: a server, the flow served with a cron line of seconds, and nobody who starts a run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from jachess.publish.versions import Versions
from tests.batch.private_slurm import free_ports
from tests.batch.runs import until
from tests.workflows.conftest import SCHEDULES

pytestmark = pytest.mark.slow


@contextmanager
def background(log: Path, variables: Mapping[str, str], *command: str) -> Iterator[subprocess.Popen[str]]:
    """A program of Python's that runs meanwhile, with all that it starts."""
    with log.open("w") as said:
        run = subprocess.Popen([sys.executable, *command], env={**os.environ, **variables}, text=True, stdout=said,
                               stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
    try:
        yield run
    finally:
        for name in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(run.pid, name)
            with suppress(subprocess.TimeoutExpired):
                run.communicate(timeout=20)


def asked(url: str, question: Mapping[str, Any] | None = None) -> Any:
    """What the server answers, or None while it does not."""
    body = None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except OSError:
        return None


def other_model(path: Path) -> None:
    """The same network with one weight changed, from one moment to the next."""
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    weights = np.array(numpy_helper.to_array(tensor))
    weights.flat[0] += 0.125
    tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    onnx.save(model, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def test_runs_that_the_schedule_starts(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("prefect")
    [port] = free_ports(1)
    place, logs = home / "published", tmp_path_factory.mktemp("logs")
    url = f"http://127.0.0.1:{port}/api"
    variables = {"PREFECT_HOME": str(logs), "PREFECT_API_URL": url, "DO_NOT_TRACK": "1",
                 "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_RUNNER_POLL_FREQUENCY": "1",
                 "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2"}  # fmt: skip
    server = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    serve = [str(SCHEDULES / "prefect_flow.py"), str(home / "job.yaml"), str(place), "* * * * * */10"]

    def told() -> list[tuple[str, str]]:
        """What the runs have told the server, without repetitions."""
        messages = [line["message"] for line in asked(f"{url}/logs/filter", {"sort": "TIMESTAMP_ASC"}) or []]
        found = [re.fullmatch(r"(published|unchanged) ([0-9a-f]{16}): verified: .*", text) for text in messages]
        return list(dict.fromkeys((match[1], match[2]) for match in found if match))

    with background(logs / "server.log", variables, *server) as serving:
        until(lambda: asked(f"{url}/health"), serving)
        with background(logs / "served.log", variables, *serve) as served:
            until(lambda: len(told()) == 2, served)
            other_model(home / "model.onnx")
            until(lambda: len(told()) == 4, served)
            lines = told()
            runs = asked(f"{url}/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}})
    first, second = (version.id for version in Versions(str(place)).all())
    assert lines == [("published", first), ("unchanged", first), ("published", second), ("unchanged", second)]
    assert Versions(str(place)).published() == second
    assert len(runs) >= 3  # the last may not have ended yet
    assert all(run["auto_scheduled"] for run in runs)
