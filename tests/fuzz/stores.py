"""Stores whose metadata or chunks are deleted, cut off or altered: opened, read, asked and validated."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import jachess
from jachess.batch.job import job_of
from jachess.batch.new_store import create_store
from jachess.batch.plan import Plan
from jachess.batch.prepare import axis_labels
from jachess.batch.prepare import prepare as prepare_job
from jachess.batch.quantities import QUANTITIES
from jachess.batch.seal import agreement_of, seal
from jachess.batch.stages import READ_BACK
from jachess.batch.tasks import read_back_blocks, write_blocks
from jachess.cli import main
from jachess.errors import StoreError
from tests.conftest import save_model
from tests.fuzz.mutations import json_values, mutated

COMMANDS = [
    ["status"],
    ["status", "--checksums"],
    ["query"],
    ["query", "hessian", "--largest", "2"],
    ["query", "jacobian", "--point", "0"],
    ["query", "hessian", "--summary"],
]
FILES: dict[str, bytes] = {}
FOLDER: list[Path] = []


def prepare(folder: Path) -> None:
    """A whole store of a small job, made without a cluster."""
    folder.mkdir()
    FOLDER.append(folder)
    random = np.random.default_rng(0)
    save_model(folder / "model.onnx", sizes=(3, 2, 2))
    np.save(folder / "points.npy", random.normal(size=(6, 3)))
    np.save(folder / "targets.npy", random.integers(0, 2, 6))
    keys = {name: str(folder / f"{name}.npy") for name in ("points", "targets")}
    compute = ["outputs", "jacobian", "gradient", "hessian"]
    out = folder / "out.zarr"
    prepared = prepare_job(job_of({**keys, "network": str(folder / "model.onnx"), "compute": compute,
                                   "error": "cross-entropy", "out": str(out)}))  # fmt: skip
    context, plan = prepared.context(), prepared.plan
    record = {
        **prepared.job.identity(),
        "network": str(folder / "model.onnx"),
        **keys,
        "points": {"points": keys["points"]},
    }
    store = create_store(out, plan, {"state": "running", "job": record, "versions": {}, "created_time": "now"},
                         axis_labels(plan, prepared.network))  # fmt: skip
    for name in plan.quantities:
        blocks = range(QUANTITIES[name].n_blocks(plan))
        write_blocks(context, store, name, blocks)
        read_back_blocks(QUANTITIES[name].stored_check(context), store, name, blocks)
    assert not READ_BACK.missing(store)
    assert seal(store, agreement_of(context)).passed
    FILES.update({str(f.relative_to(out)): f.read_bytes() for f in sorted(out.rglob("*")) if f.is_file()})


@st.composite
def _metadata(draw: st.DrawFn, data: bytes) -> bytes:
    """JSON with one value changed, or one key left out, somewhere."""
    whole = json.loads(data)
    node = whole
    while True:
        keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return json.dumps(whole).encode()
        key: Any = draw(st.sampled_from(keys))
        if isinstance(node[key], dict | list) and node[key] and draw(st.integers(0, 4)):
            node = node[key]
            continue
        match draw(st.sampled_from(["change", "change", "remove", "number"])):
            case "remove":
                del node[key]
            case "number" if isinstance(node[key], int | float):
                node[key] = draw(st.sampled_from([0, -1, 1, 5, 7, 10**9, 10**18, 0.5])) + node[key]
            case _:
                node[key] = draw(json_values())
        return json.dumps(whole).encode()


@st.composite
def examples(draw: st.DrawFn) -> dict[str, bytes | None]:
    """What files are replaced by; None: by nothing. Whether to validate what there is stands under no name."""
    changes: dict[str, bytes | None] = {"": b"" if draw(st.integers(0, 7)) == 0 else None}
    metadata = [name for name in FILES if name.endswith("zarr.json")]
    for _ in range(draw(st.integers(1, 2))):
        names = draw(st.sampled_from([["zarr.json"], metadata, list(FILES)]))
        name = draw(st.sampled_from(names))
        match draw(st.sampled_from(["value", "value", "value", "bytes", "gone", "cut"])):
            case "value" if name.endswith("zarr.json"):
                changes[name] = draw(_metadata(FILES[name]))
            case "gone":
                changes[name] = None
            case "cut":
                changes[name] = FILES[name][: draw(st.integers(0, len(FILES[name]) - 1))]
            case _:
                changes[name] = draw(mutated(FILES[name]))
    return changes


def read(folder: Path, changes: dict[str, bytes | None]) -> None:
    """Everything that people do with a store."""
    out = folder / "out.zarr"
    for name, content in {**FILES, **changes}.items():
        if name and content is not None:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(content)
    said = io.StringIO()
    for command in [*COMMANDS, ["validate"]] if changes[""] is not None else COMMANDS:
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")), contextlib.redirect_stderr(said):
            code = main([command[0], str(out), *command[1:]])
        assert code in (0, 1, 2, 3)
    if said.getvalue():
        raise StoreError(said.getvalue().strip())
    result = jachess.open_result(out)
    assert isinstance(result.plan, Plan)
    result.to_xarray()
    assert result.verdict is not None
