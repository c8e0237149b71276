"""Machines reached by ssh: this one, by an sshd of the test's own, with keys and settings in one folder."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.batch.private_slurm import free_ports
from tests.batch.runs import chunks, ended, flags, start, until
from tests.conftest import Files

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(SSHD is None, reason="sshd is not installed")]
_CONF = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/me.pub
AllowUsers {user}
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
PermitUserRC no
PidFile none
SetEnv PYTHONPATH={path} DASK_TEMPORARY_DIRECTORY={folder}
"""


@pytest.fixture
def connect_options(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """How to reach an sshd that runs, in the words of asyncssh."""
    asyncssh = pytest.importorskip("asyncssh")
    pytest.importorskip("cryptography")
    folder, [port], user = tmp_path / "sshd", free_ports(1), getpass.getuser()
    folder.mkdir()
    for name in ("host", "me"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        key.write_public_key(folder / f"{name}.pub")
        (folder / name).chmod(0o600)
    (folder / "known").write_text(f"[localhost]:{port} {(folder / 'host.pub').read_text()}")
    path = shlex.quote(os.environ.get("PYTHONPATH", ""))
    (folder / "config").write_text(_CONF.format(folder=folder, port=port, user=user, path=path))
    command = [str(SSHD), "-D", "-f", str(folder / "config"), "-E", str(folder / "log")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sshd:
        try:
            until(lambda: sshd.poll() is not None or "listening" in log_of(folder), seconds=30)
            if "Missing privilege separation directory" in log_of(
                folder
            ):  # root's sshd wants one outside of the folder
                pytest.skip(log_of(folder))
            assert sshd.poll() is None, log_of(folder)
            yield {
                "username": user,
                "port": port,
                "known_hosts": str(folder / "known"),
                "client_keys": [str(folder / "me")],
                "config": None,  # whatever this user's own says
            }
        finally:
            sshd.terminate()


def log_of(folder: Path) -> str:
    log = folder / "log"
    return log.read_text() if log.exists() else ""


def test_scheduler_and_workers_over_ssh(
    connect_options: dict[str, Any], files: Files, result: Path, tmp_path: Path
) -> None:
    given = yaml.safe_load(Path("cluster/ssh.yaml").read_text())
    assert given["tls"] is True
    given["arguments"]["connect_options"] = connect_options
    given["tls"] = str(tmp_path / "keys")
    (tmp_path / "keys").mkdir()
    (tmp_path / "ssh.yaml").write_text(yaml.safe_dump(given))
    arguments = [*flags(files, tmp_path / "out.zarr"), "--cluster", str(tmp_path / "ssh.yaml")]
    run = start(arguments)
    until(lambda: [*(tmp_path / "keys").glob(".jachess-keys-*/key.pem")], run)
    out, _ = ended(run, 0)
    assert "verified" in out
    assert chunks(tmp_path / "out.zarr") == chunks(result)
    assert log_of(tmp_path / "sshd").count("Accepted publickey") == 2
    assert not list((tmp_path / "keys").iterdir())
