"""A result whose Hessian has several rows of chunks, stored whole and as its upper half, and its arrays in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import zarr

import jachess
from jachess.batch.job import job_of
from jachess.batch.run import run_job
from jachess.network.graph import Array
from jachess.result.open import Result
from tests.conftest import save_model

TENSORS = {"hidden.weight": slice(0, 128), "hidden.bias": slice(128, 144), "output.weight": slice(144, 224),
           "output.bias": slice(224, 229)}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """A result, and what it should read as."""

    result: Result
    hessian: Array
    jacobian: Array
    gradient: Array
    outputs: Array


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished result of 229 weights: 4 × 4 chunks of the Hessian."""
    folder = tmp_path_factory.mktemp("wide")
    random = np.random.default_rng(2)
    save_model(folder / "model.onnx", sizes=(8, 16, 5))
    np.save(folder / "points.npy", random.normal(size=(150, 8)))
    np.save(folder / "targets.npy", random.integers(0, 5, 150))
    keys = {name: str(folder / f"{name}.npy") for name in ("points", "targets")}
    compute = ["outputs", "jacobian", "gradient", "hessian"]
    job = {"network": str(folder / "model.onnx"), "error": "cross-entropy", "compute": compute, "workers": 1}
    for triangle in ("both", "upper"):
        run_job(job_of({**keys, **job, "triangle": triangle, "out": str(folder / f"{triangle}.zarr")}))
    return folder


@pytest.fixture(scope="session", params=["both", "upper"])
def stored(request: pytest.FixtureRequest, wide: Path) -> Stored:
    """The result, with both triangles or the upper one; no test may change it."""
    arrays = {
        name: np.asarray(zarr.open_array(wide / "both.zarr" / name, mode="r")[:])
        for name in ("hessian", "jacobian", "gradient", "outputs")
    }
    return Stored(jachess.open_result(wide / f"{request.param}.zarr"), **arrays)
