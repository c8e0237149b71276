"""A SLURM of two nodes on this machine, of this process alone: no root, no settings outside of one folder.

Needs the programs slurmctld, slurmd and munged (Debian: slurmctld slurmd slurm-client munge).
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_CONF = """
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=10
SlurmctldPort={ports[0]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=0
KillWait=5
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=4000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """A SLURM that runs."""

    folder: Path

    def call(self, *command: str) -> str:
        """What one of SLURM's commands prints."""
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout

    def jobs(self, state: str = "pending,running,completing") -> list[str]:
        """Numbers of the jobs in some states."""
        return self.call("squeue", "-h", "-r", "-t", state, "-o", "%i").split()

    def start_controller(self) -> None:
        """It goes on with what it knew."""
        subprocess.run(["slurmctld", "-f", str(self.folder / "slurm.conf")], check=True, timeout=30)

    def stop(self, name: str) -> None:
        """One of the daemons."""
        file = self.folder / f"{name}.pid"
        if file.exists():
            pid = int(file.read_text())
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            _until(lambda: not _is_alive(pid))


@contextmanager
def private_slurm(folder: Path) -> Iterator[Slurm]:
    """Start it, and in the end cancel its jobs and stop it; meanwhile the environment says where it is."""
    for name in ("state", "spool/n1", "spool/n2", "munge"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o711)
    munge = folder / "munge"
    munge.chmod(0o711)
    (munge / "key").write_bytes(os.urandom(1024))
    (munge / "key").chmod(0o600)
    host, user = socket.gethostname().partition(".")[0], getpass.getuser()
    (folder / "slurm.conf").write_text(_CONF.format(host=host, user=user, folder=folder, ports=free_ports(3)))
    before = dict(os.environ)
    os.environ.update(PATH=_PATH, SLURM_CONF=str(folder / "slurm.conf"))
    slurm = Slurm(folder)
    try:
        files = {
            "key-file": "key",
            "socket": "socket",
            "pid-file": "../munged.pid",
            "log-file": "log",
            "seed-file": "seed",
        }
        munged = ["munged", "--force", *(f"--{option}={munge / file}" for option, file in files.items())]
        subprocess.run(munged, check=True, timeout=30, capture_output=True)
        slurm.start_controller()
        for node in ("n1", "n2"):
            subprocess.run(["slurmd", "-f", str(folder / "slurm.conf"), "-N", node], check=True, timeout=30)
        _until(lambda: slurm.call("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split() == ["n1", "n2"])
        yield slurm
    finally:
        with suppress(Exception):  # daemons do not end their jobs when they stop
            slurm.call("scancel", "--full", "--user", user)
            _until(lambda: not slurm.jobs())
        for name in ("slurmd-n1", "slurmd-n2", "slurmctld", "munged"):
            slurm.stop(name)
        os.environ.clear()
        os.environ.update(before)


def is_installed() -> bool:
    """Whether it can be started here."""
    return all(shutil.which(name, path=_PATH) for name in PROGRAMS)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
