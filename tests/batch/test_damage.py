"""Chunks that are missing, torn, or have a flipped bit: found, told, and computed again, to the same bytes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jachess.batch.run import run_job
from jachess.batch.store import Store
from jachess.cli import main
from tests.batch.runs import chunks
from tests.conftest import Files


@pytest.fixture
def copy(result: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(result, tmp_path / "copy.zarr"))


def flip(file: Path, seed: int = 0) -> None:
    """Flip one bit of a file, anywhere."""
    content, random = bytearray(file.read_bytes()), np.random.default_rng(seed)
    content[random.integers(len(content))] ^= 1 << int(random.integers(8))
    file.write_bytes(content)


def some_chunks(store: Path) -> list[Path]:
    """One file of each array, labels too."""
    return [next(file for file in sorted(folder.rglob("*")) if file.is_file()) for folder in sorted(store.glob("*/c"))]


def test_flipped_bits_anywhere_are_found_and_computed_again(
    files: Files, result: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = some_chunks(copy)
    assert len(damaged) > 12
    for number, file in enumerate(damaged):
        flip(file, number)
    assert main(["status", str(copy), "--checksums", "--json"]) == 1
    found = {(chunk["array"], *chunk["chunk"]) for chunk in json.loads(capsys.readouterr().out)["damaged"]}
    assert found == {(file.parts[len(copy.parts)], *map(int, file.parts[len(copy.parts) + 2 :])) for file in damaged}
    outcome = run_job(replace(files.job(), out=str(copy)), checksums=True)
    assert outcome.verdict.passed
    assert outcome.n_computed == 4
    said = capsys.readouterr().err
    assert all(f"{file}: is damaged" in said for file in damaged)
    assert chunks(copy) == chunks(result)
    assert main(["status", str(copy), "--checksums"]) == 0


def test_a_bit_that_flips_before_it_is_read_back_is_mended_in_the_same_run(
    files: Files, result: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody asks for checksums: reading back finds it, the chunk is removed, and its block computed again."""
    for folder in copy.glob("*_read_back/c"):
        shutil.rmtree(folder)
    flip(copy / "hessian" / "c" / "0" / "0")
    flip(copy / "jacobian" / "c" / "5" / "0" / "0")
    outcome = run_job(replace(files.job(), out=str(copy)))
    assert outcome.verdict.passed
    said = capsys.readouterr().err
    assert "chunk (0, 0) of 'hessian' is damaged" in said
    assert "chunk (5, 0, 0) of 'jacobian' is damaged" in said
    assert chunks(copy) == chunks(result)


@pytest.mark.slow
def test_a_bit_that_flips_before_the_verdict_is_mended(files: Files, result: Path, copy: Path) -> None:
    """What is judged last is read once more; nobody asks for checksums."""
    (copy / "outputs" / "c" / "0" / "0").unlink()
    flip(copy / "hessian_residual" / "c" / "0")
    flip(copy / "jacobian_read_back" / "c" / "3" / "0")
    outcome = run_job(replace(files.job(), out=str(copy)))
    assert outcome.verdict.passed
    assert Store(copy).attributes["state"] == "complete"
    assert chunks(copy) == chunks(result)
