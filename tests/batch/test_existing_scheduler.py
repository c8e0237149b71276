"""A scheduler that somebody else has started, with certificates: for those who hold them, and left running."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jachess.batch.clusters.file import ClusterFile
from jachess.batch.clusters.keys import keys
from jachess.batch.clusters.settings import environment
from tests.batch.runs import chunks, ended, flags, start, until
from tests.conftest import Files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, str]]]:
    """Variables that name those of the scheduler, and those of somebody else."""
    pytest.importorskip("cryptography")
    file = ClusterFile("here", tls=str(tmp_path_factory.mktemp("keys")))
    with keys(file) as own, keys(file) as other:
        yield [environment(own), environment(other)]


@pytest.fixture(scope="module")
def address(certificates: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a scheduler of two workers is; in the end it must be there still."""
    folder = tmp_path_factory.mktemp("scheduler")
    file, log = folder / "scheduler.json", folder / "log"
    server = ["dask_scheduler", "--host=127.0.0.1", "--port=0", "--protocol=tls", "--dashboard-address=127.0.0.1:0"]
    worker = ["dask_worker", "--host=127.0.0.1", "--nthreads=1", "--no-dashboard", f"--local-directory={folder}"]
    with ExitStack() as stack, log.open("w") as said:

        def launch(arguments: list[str]) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", f"distributed.cli.{arguments[0]}", *arguments[1:]]
            command.append(f"--scheduler-file={file}")
            run = subprocess.Popen(command, env={**os.environ, **certificates[0]}, text=True, stdout=said, stderr=said)
            stack.callback(run.wait, timeout=60)
            stack.callback(run.terminate)
            return run

        scheduler = launch(server)
        until(file.exists, scheduler)
        for run in (launch(worker), launch(worker)):
            assert run.poll() is None
        until(lambda: log.read_text().count("Register worker addr: tls://127.0.0.1") == 2, scheduler)
        yield json.loads(file.read_text())["address"]
        assert scheduler.poll() is None, log.read_text()


def test_who_holds_its_certificate_computes_there(
    certificates: list[dict[str, str]], address: str, files: Files, result: Path, tmp_path: Path
) -> None:
    assert address.startswith("tls://127.0.0.1:")
    for out in (tmp_path / "out.zarr", tmp_path / "again.zarr"):  # the first leaves it as it was
        printed, _ = ended(start([*flags(files, out), "--scheduler", address], variables=certificates[0]), 0)
        assert "verified" in printed
        assert chunks(out) == chunks(result)


NAMES = "Name its certificate in Dask's settings distributed.comm.tls: ca-file, client.cert, client.key."


@pytest.mark.parametrize(
    ("holder", "scheme", "told"),
    [
        ("somebody else", "tls", f"TLS certificate does not match.*{NAMES}"),
        ("nobody", "tls", f"TLS expects.*{NAMES}"),
        ("nobody", "tcp", "no Dask scheduler answers at tcp://"),
        ("owner", "tcp", "encryption required by Dask configuration"),
    ],
)
def test_others_are_refused(
    certificates: list[dict[str, str]],
    address: str,
    files: Files,
    tmp_path: Path,
    holder: str,
    scheme: str,
    told: str,
) -> None:
    variables = dict(zip(("owner", "somebody else", "nobody"), (*certificates, {}), strict=True))[holder]
    arguments = [*flags(files, tmp_path / "out.zarr"), "--scheduler", address.replace("tls", scheme)]
    _, err = ended(start(arguments, variables=variables), 2)
    assert re.search(told, err.replace("\n", " ")), err
    assert "Timed out" not in err  # refused, not waited for
    assert not (tmp_path / "out.zarr").exists()
