"""Validation passes an untouched store and finds what was changed in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

import jachess
from jachess.errors import StoreError
from jachess.result.validation import validate
from tests.conftest import Files, save_model


@pytest.fixture
def copy(result: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(result, tmp_path / "copy.zarr"))


def test_an_untouched_result_passes(result: Path) -> None:
    verdict = validate(result)
    assert verdict.passed
    assert set(verdict.findings) == {"outputs", "jacobian", "gradient", "hessian", "agreement"}


@pytest.mark.parametrize(
    ("array", "place", "named"),
    [
        ("hessian", (7, 40), "hidden.weight[1, 3]"),
        ("hessian", (40, 7), "output.weight[1, 4]"),
        ("jacobian", (123, 1, 2), "point 123, output 1"),
        ("gradient", (5,), "direction"),
        ("outputs", (77, 2), "point 77, output 2"),
    ],
)
def test_one_changed_element_is_found(copy: Path, array: str, place: tuple[int, ...], named: str) -> None:
    stored = zarr.open_array(copy / array, mode="r+")
    stored[place] = stored[place] + 1e-4 * np.abs(stored[:]).max()
    verdict = validate(copy)
    assert [name for name, finding in verdict.findings.items() if finding.failed] == [array]
    assert verdict.findings[array].failed == (2 if array == "gradient" else 1)
    assert named in verdict.sentence()


def test_a_flipped_bit_is_found(copy: Path) -> None:
    chunk = copy / "hessian" / "c" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[100] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        validate(copy)
    assert list(jachess.open_result(copy).store.damaged_chunks()) == [("hessian", (0, 0))]


def test_a_missing_block_is_said(copy: Path) -> None:
    (copy / "jacobian" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(StoreError, match="missing"):
        validate(copy)


def test_another_network_is_refused(files: Files, copy: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "other.onnx", seed=5)
    with pytest.raises(StoreError, match="network changed"):
        validate(copy, network=str(tmp_path / "other.onnx"))
