"""A whole job on an exported file: does it end verified?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import jachess
from benchmarks.exporters.comparison import targets
from benchmarks.exporters.reference import READINGS, Array


def verdict(network: Path, points: list[Array], ends: str | None, scheduler: str) -> str:
    """The verdict on outputs, Jacobian, gradient and Hessian, computed on the workers of a scheduler."""
    folder, net = network.parent, jachess.read_network(network)
    for which, array in zip(net.inputs, points, strict=True):
        np.save(folder / f"{which.name}.npy", array)
    np.save(folder / "targets.npy", targets(ends, (len(points[0]), net.n_outputs)))
    files = {which.name: str(folder / f"{which.name}.npy") for which in net.inputs}
    job = {
        "network": str(network), "points": files if len(files) > 1 else next(iter(files.values())),
        "targets": str(folder / "targets.npy"), "compute": ["outputs", "jacobian", "gradient", "hessian"],
        "error": READINGS[ends] or "sum-of-squares", "scheduler": scheduler, "out": str(folder / "result.zarr"),
    }  # fmt: skip
    return str(jachess.run(job).verdict.sentence())
