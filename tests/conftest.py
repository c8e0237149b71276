"""A small trained network, its data and its result on the disk, made once for all tests that ask for them."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from jachess.batch.job import Job, job_of, load_job
from jachess.batch.run import run_job
from jachess.network.graph import Array
from tests.object_store import ObjectStore, object_store


def longer(cases: Iterable[object], *, but: Collection[object] = ()) -> list[object]:
    """All cases of a test; those that are not in ``but`` for the longer part of the tests alone."""
    return [case if case in but else pytest.param(case, marks=pytest.mark.slow) for case in cases]


@dataclass(frozen=True)
class Files:
    """Files of a small job, and the arrays in them."""

    folder: Path
    points: Array
    targets: Array

    def job(self, out: str = "result.zarr", **changes: object) -> Job:
        """The job, with some keys changed."""
        keys = {
            "network": str(self.folder / "model.onnx"),
            "points": str(self.folder / "points.npy"),
            "targets": str(self.folder / "targets.npy"),
            "compute": ["outputs", "jacobian", "gradient", "hessian"],
            "error": "cross-entropy",
            "out": str(self.folder / out),
            "workers": 2,
        }
        return job_of({**keys, **changes})


def save_model(path: Path, seed: int = 0, activation: str = "Tanh", sizes: tuple[int, int, int] = (4, 6, 3)) -> None:
    """A classifier of 4 inputs, 6 hidden units and 3 classes, or of other sizes."""
    random = np.random.default_rng(seed)
    d, m, k = sizes
    shapes = {"hidden.weight": (m, d), "hidden.bias": (m,), "output.weight": (k, m), "output.bias": (k,)}
    tensors = [numpy_helper.from_array(random.normal(size=s).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Gemm", ["x", "hidden.weight", "hidden.bias"], ["a"], transB=1),
        helper.make_node(activation, ["a"], ["z"]),
        helper.make_node("Gemm", ["z", "output.weight", "output.bias"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", d])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", k])],
        tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Files that no test may change."""
    folder = tmp_path_factory.mktemp("job")
    random = np.random.default_rng(1)
    points, targets = random.normal(size=(200, 4)), random.integers(0, 3, 200)
    save_model(folder / "model.onnx")
    np.save(folder / "points.npy", points)
    np.save(folder / "targets.npy", targets)
    return Files(folder, points, targets)


@pytest.fixture(scope="session")
def result(files: Files) -> Path:
    """A finished result that no test may change."""
    run_job(files.job())
    return files.folder / "result.zarr"


@pytest.fixture(scope="session")
def quick_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the quick-start job has run; no test may change it."""
    folder = tmp_path_factory.mktemp("quick-start")
    workflows = Path(__file__).parent.parent / "workflows"
    shutil.copytree(workflows, folder / "workflows", ignore=shutil.ignore_patterns("*.zarr*"))
    run_job(load_job(folder / "workflows" / "digits" / "job.yaml", {"workers": 2}))
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[ObjectStore]:
    """An S3-compatible server that answers faultlessly unless a test says otherwise, known to the environment."""
    for package in ("obstore", "moto", "flask_cors"):
        pytest.importorskip(package)
    with object_store() as made, pytest.MonkeyPatch.context() as environment:
        for name, value in made.environment.items():
            environment.setenv(name, value)
        yield made
