"""Where workers come from: a cluster file, a running scheduler, or a word on what is wrong with them."""

from __future__ import annotations

import importlib.util
import inspect
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dask
import jsonschema
import pytest
import yaml
from distributed import LocalCluster

from jachess.batch.clusters.file import read_cluster_file, schema
from jachess.batch.clusters.inspection import check
from jachess.batch.clusters.local import check_not_login_node
from jachess.batch.clusters.settings import environment, settings
from jachess.batch.clusters.started import imported
from jachess.batch.clusters.workers import engaged
from jachess.batch.run import run_job
from jachess.errors import JobError
from tests.batch.runs import chunks, flags
from tests.conftest import Files, longer

LOCAL = "cluster: distributed.LocalCluster\narguments: {dashboard_address: '127.0.0.1:0', "
FILES = sorted(Path("cluster").glob("*.yaml"))
QUEUES = {
    "slurm": ["#SBATCH -n 1", "#SBATCH --mem=3G", "#SBATCH -t 01:00:00"],
    "pbs": ["#PBS -l select=1:ncpus=1:mem=2385MB", "#PBS -l walltime=01:00:00"],
    "lsf": ["#BSUB -n 1", "#BSUB -M 2500", "#BSUB -W 01:00"],
    "sge": ["#$ -l h_rt=01:00:00"],
    "htcondor": ["RequestCpus = MY.DaskWorkerCores", "MY.DaskWorkerMemory = 2500000000"],
}
"""Lines that each queue's script must have."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_cluster_files_have_all_keys_with_a_word_on_each(file: Path) -> None:
    given = yaml.safe_load(file.read_text())
    assert list(given) == [key for key in given if key in schema()["properties"]]
    assert set(given) == set(schema()["properties"])
    lines = file.read_text().splitlines()
    for start, keys in (("", set(given) - {"cluster", "arguments"}), ("  ", set(given["arguments"] or {}))):
        for key in keys:
            assert any(line.startswith(f"{start}{key}:") and "# " in line for line in lines), key
    assert read_cluster_file(file).source == str(file)
    assert f"[`{file.name}`]({file.name})" in Path("cluster/README.md").read_text()


@pytest.mark.parametrize("name", longer(QUEUES, but=["slurm"]))
def test_scripts_of_queues(name: str, tmp_path: Path) -> None:
    """As `cluster show` prints them, in a home of its own, since dask_jobqueue writes there."""
    pytest.importorskip("dask_jobqueue")
    home = {**os.environ, "HOME": str(tmp_path), "DASK_CONFIG": str(tmp_path)}
    command = [sys.executable, "-m", "jachess", "cluster", "show", f"cluster/{name}.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=home, check=False)
    assert done.returncode == 0, done.stderr
    script = done.stdout.partition("\nscript\n")[2]
    for line in (*QUEUES[name], "-m distributed.cli.dask_worker", "--nthreads 1", "--lifetime 50m", "--protocol tls://",
                 "export MALLOC_TRIM_THRESHOLD_=67108864", "export DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE=0.97",
                 "export DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT=60s"):  # fmt: skip
        assert line in script, script
    assert not done.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_what_the_operator_makes_of_the_file_for_kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's own functions, without a cluster: what it accepts, and what it asks Kubernetes for."""
    monkeypatch.setattr(dask.config, "PATH", str(tmp_path))  # it writes there when it is first imported
    controller = pytest.importorskip("dask_kubernetes.operator.controller.controller")
    validate = pytest.importorskip("kubernetes_validate")
    given = read_cluster_file("cluster/kubernetes.yaml")
    assert set(given.arguments) <= set(inspect.signature(imported(given)).parameters)
    dask_cluster = given.arguments["custom_cluster_spec"]
    name, spec = dask_cluster["metadata"]["name"], dask_cluster["spec"]
    folder = Path(controller.__file__).parent.parent / "deployment" / "helm" / "dask-kubernetes-operator" / "crds"
    definition = yaml.safe_load((folder / "daskcluster.yaml").read_text())["spec"]
    form = next(v["schema"]["openAPIV3Schema"] for v in definition["versions"] if v["name"] == "v1")
    jsonschema.validate(dask_cluster, form)
    with pytest.raises(jsonschema.ValidationError, match="is not of type 'integer'"):
        jsonschema.validate({**dask_cluster, "spec": {**spec, "worker": {**spec["worker"], "replicas": "2"}}}, form)
    scheduler, worker = spec["scheduler"], spec["worker"]
    made = [
        controller.build_scheduler_deployment_spec(name, scheduler["spec"], {}, {}),
        controller.build_scheduler_service_spec(name, scheduler["service"], {}, {}),
        controller.build_worker_deployment_spec("default", "here", name, "1", worker["spec"], {}, {}),
    ]
    for manifest in made:
        validate.validate(manifest, validate.latest_version(), strict=True)
    assert scheduler["service"]["selector"].items() <= made[0]["metadata"]["labels"].items()
    for pod in (scheduler["spec"], worker["spec"]):
        [container] = pod["containers"]
        python, module, program = container["args"][:3]
        assert (python, module) == ("python", "-m")
        assert importlib.util.find_spec(program) is not None


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mpiexec") is None, reason="mpiexec is not on the PATH")
def test_workers_that_mpiexec_starts(files: Files, result: Path, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    own = {"LAUNCH": "mpiexec -n 4", "PYTHON": sys.executable, "HOME": str(tmp_path), "INTERFACE": "lo", "LOG": "log"}
    command = ["bash", str(Path("cluster/allocation.sh").absolute()), *flags(files, tmp_path / "out.zarr")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=tmp_path, env={**os.environ, **own})
    assert (done.returncode, "verified" in done.stdout) == (0, True), done.stdout + done.stderr
    assert 1 < (tmp_path / "log").read_text().count("Register worker addr: tls://127.0.0.1") <= 4
    assert chunks(tmp_path / "out.zarr") == chunks(result)
    assert {file.name for file in tmp_path.iterdir()} == {"out.zarr", "out.zarr.log", "log"}


@pytest.mark.parametrize("tls", longer([False, True], but=[True]))
def test_a_cluster_file_runs(files: Files, result: Path, tmp_path: Path, tls: bool) -> None:
    if tls:
        pytest.importorskip("cryptography")
    (tmp_path / "keys").mkdir()
    text = Path("cluster/local.yaml").read_text()
    (tmp_path / "cluster.yaml").write_text(text.replace("tls: false", f"tls: {tmp_path / 'keys' if tls else 'false'}"))
    run_job(replace(files.job(), out=str(tmp_path / "out.zarr"), cluster=str(tmp_path / "cluster.yaml")))
    assert chunks(tmp_path / "out.zarr") == chunks(result)
    assert not list((tmp_path / "keys").iterdir())
    assert {file.name for file in tmp_path.iterdir()} == {"out.zarr", "out.zarr.log", "cluster.yaml", "keys"}


def test_nobody_without_the_keys_is_let_in(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    given = yaml.safe_load(Path("cluster/local.yaml").read_text())
    given["tls"] = str(tmp_path)
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(given))
    with settings(), engaged(read_cluster_file(tmp_path / "cluster.yaml")) as client:
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        keys = next(path for path in tmp_path.iterdir() if path.is_dir())
        assert stat.S_IMODE(keys.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in keys.iterdir()} == {0o600}
        tls = "distributed.comm.tls."
        held = {f"{tls}ca-file": "cert.pem", f"{tls}client.cert": "cert.pem", f"{tls}client.key": "key.pem"}
        of_holders = environment({name: str(keys / file) for name, file in held.items()})
        for place, variables, let_in in (
            (address, of_holders, True),
            (address, {}, False),
            (address.replace("tls", "tcp"), {}, False),
        ):
            code = f"from distributed import Client; Client({place!r}, timeout='2s')"
            here = {**os.environ, **variables}
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, env=here, check=False)
            assert (done.returncode == 0) == let_in


def test_a_profile_is_the_whole_choice(files: Files, result: Path, tmp_path: Path) -> None:
    given = yaml.safe_load(Path("cluster/local.yaml").read_text())
    with dask.config.set({"jachess.clusters.mine": {"cluster": given["cluster"], "arguments": given["arguments"]}}):
        run_job(replace(files.job(), out=str(tmp_path / "out.zarr"), cluster="mine"))
        with pytest.raises(JobError, match=r"no such cluster file or profile \(profiles: mine\)"):
            read_cluster_file("yours")
    assert chunks(tmp_path / "out.zarr") == chunks(result)


def test_workers_in_another_folder_find_what_the_job_names(
    files: Files, result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--host", "127.0.0.1"]
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        address = cluster.scheduler_address
        worker = subprocess.Popen([*command, address, "--no-nanny", "--no-dashboard"], cwd=tmp_path / "elsewhere",
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            monkeypatch.chdir(files.folder)
            job = replace(files.job(), points=((None, "points.npy"),), targets="targets.npy", scheduler=address)
            run_job(replace(job, out=str(tmp_path / "out.zarr")))
        finally:
            worker.terminate()
            worker.wait(timeout=30)
    assert chunks(tmp_path / "out.zarr") == chunks(result)


def test_a_running_scheduler_is_used_and_left_running(files: Files, result: Path, tmp_path: Path) -> None:
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        address = cluster.scheduler_address
        run_job(replace(files.job(), out=str(tmp_path / "out.zarr"), scheduler=address))
        with dask.config.set({"scheduler-address": address}):
            run_job(replace(files.job(), out=str(tmp_path / "again.zarr"), workers=None))
        file = tmp_path / "cluster.yaml"
        file.write_text(f"scheduler: {address}\n")
        assert len([*check(read_cluster_file(file), str(tmp_path / "out.zarr"))]) == 3
        assert len(cluster.scheduler_info["workers"]) == 1
    assert chunks(tmp_path / "out.zarr") == chunks(tmp_path / "again.zarr") == chunks(result)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no such cluster file"),
        ("workers: 2\n", "unknown key 'workers'"),
        ("timeout: 5 minutes\n", "wanted either 'cluster', an import path, or 'scheduler', an address"),
        ("cluster: a.B\nscheduler: tcp://127.0.0.1:1\n", "wanted either 'cluster'"),
        ("cluster: a.B\nscale: {n: 1}\nadapt: {minimum: 1}\n", "exclude each other"),
        ("cluster: a.B\ntimeout: soon\n", "'timeout' is not a time"),
        ("cluster: a.B\nwait_for_workers: 0\n", "'wait_for_workers' is wrong .wanted at least 1; got 0"),
        (
            f"{LOCAL}n_workers: 0}}\ntimeout: 1s\n",
            "did not come within 1 s",
        ),
        (
            f"{LOCAL}n_workers: 1, memory_limit: 100MiB}}\n",
            "too little memory",
        ),
        ("cluster: [a\n", "not YAML"),
        ("cluster: distributed.LocalCluster\narguments: [1]\n", "'arguments' is wrong"),
        ("cluster: builtins.dict\n", "builtins.dict is no Dask cluster"),
        ("cluster: distributed.NoSuchCluster\n", "cannot be started .AttributeError"),
        ("cluster: no_such_module.Cluster\n", "cannot be started .ModuleNotFoundError"),
        (
            f"{LOCAL}colour: red}}\n",
            "cannot be started",
        ),
    ],
)
def test_cluster_files_that_do_not_work(files: Files, tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "cluster.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(JobError, match=message):
        run_job(replace(files.job(), out=str(tmp_path / "out.zarr"), cluster=str(path)))
    assert not (tmp_path / "out.zarr").exists()


def test_a_machine_that_submits_jobs_is_not_computed_on_by_accident(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sbatch = tmp_path / "sbatch"
    sbatch.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_CONF", "somewhere")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    job = replace(files.job(), out=str(tmp_path / "out.zarr"), workers=None)
    with pytest.raises(JobError, match="this machine submits jobs to SLURM, and this is not one of them"):
        run_job(job)
    assert not (tmp_path / "out.zarr").exists()
    assert run_job(replace(job, workers=1)).verdict.passed
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    check_not_login_node(job)
