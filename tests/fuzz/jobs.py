"""Job files, and keys as from flags and --set: what is no job is refused, all that is wrong with it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from jachess.batch.confine import check_confined
from jachess.batch.job import job_of, load_job
from jachess.batch.job_schema import schema
from jachess.batch.plain_yaml import read_yaml
from jachess.errors import JobError
from tests.fuzz.mutations import json_values, mutated

GOOD: dict[str, Any] = {
    "network": "model.onnx", "points": {"x": "points.npy", "u": "u.csv"}, "targets": "targets.npy",
    "compute": ["outputs", "jacobian", "hessian"], "error": "cross-entropy", "out": "out.zarr", "memory": "2GiB",
    "workers": 2, "weights": ["a", "b"], "patience": 3.5, "dtype": "float32", "triangle": "upper",
    "input_hessian_outputs": [0, 2], "confine": ".", "method": "mixed", "cluster": "cluster.yaml",
}  # fmt: skip
YAML = [
    "a: &a [x, x]\nb: [*a, *a]\n", "<<: {a: 1}\n", "? [a]\n: b\n", "a: !!binary AAAA\n", "--- a\n--- b\n",
    "!!set {a, b}\n", "a: 2024-13-45\n", "a: 0x" + "f" * 5000, "a: 1:30:0\n", "%YAML 9.9\n---\na\n", "\ufeffa: b\n",
    "a: !!python/name:os.system\n", "[" * 3000, "{a: " * 3000, "- " * 3000, "a: |\n b\n", "&a a: *a\n", "a: !!int x\n",
    "a: !!float x\n", "a: !!timestamp x\n", "!!omap [a]\n", "a: !!null x\n", "a: !!bool x\n",
]  # fmt: skip


def prepare(folder: Path) -> None:
    """Nothing is needed."""


def examples() -> st.SearchStrategy[tuple[str, Any]]:
    """("file", text), ("keys", mapping) or ("set", text)."""
    good = yaml.safe_dump(GOOD).encode()
    one = yaml.safe_dump({key: GOOD[key] for key in ("network", "points", "compute", "out")}).encode()
    texts = st.one_of(mutated(good), mutated(one), st.sampled_from(YAML).map(str.encode).flatmap(mutated), st.binary())
    keys = st.sampled_from([*schema()["properties"], "colour", ""])
    changed = st.dictionaries(keys, json_values(), min_size=1, max_size=4).map(lambda new: {**GOOD, **new})
    return st.one_of(
        texts.map(lambda text: ("file", text)),
        changed.map(lambda keys: ("keys", keys)),
        st.one_of(st.text(max_size=40), st.sampled_from(YAML)).map(lambda text: ("set", text)),
    )


def read(folder: Path, example: tuple[str, Any]) -> None:
    """The job, as far as it goes without the files it names."""
    kind, given = example
    if kind == "set":
        read_yaml(given, "--set key")
        return
    if kind == "keys":
        job = job_of(given)
    else:
        (folder / "job.yaml").write_bytes(given)
        job = load_job(folder / "job.yaml")
    assert job.memory is None or 0 <= job.memory < 10**30
    assert job.workers is None or isinstance(job.workers, int)
    if job.confine is not None and Path(job.confine).resolve() in (Path.cwd(), folder):
        check_confined(job)
        raise JobError("a job that is confined to an empty folder")
