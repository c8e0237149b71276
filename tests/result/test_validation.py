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
    further = {"the gradient", "symmetry of the hessian"}
    assert set(verdict.findings) == {"outputs", "jacobian", "gradient", "hessian", "agreement"} | further


@pytest.mark.parametrize(
    ("array", "place", "named"),
    [
        ("hessian", (7, 40), ["weight hidden.weight[1, 3]", "weight output.weight[1, 4]"]),
        ("hessian", (40, 7), ["weight hidden.weight[1, 3]", "weight output.weight[1, 4]"]),
        ("hessian", (50, 50), ["weight output.bias[2]"]),
        ("jacobian", (123, 1, 2), ["point 123, output 1"]),
        ("gradient", (5,), ["weight hidden.weight[1, 1]"]),
        ("outputs", (77, 2), ["point 77, output 2"]),
    ],
)
@pytest.mark.parametrize("size", [1e-2, 1e-6])
def test_one_changed_element_is_found(
    copy: Path, array: str, place: tuple[int, ...], named: list[str], size: float
) -> None:
    stored = zarr.open_array(copy / array, mode="r+")
    change = size * np.abs(stored[:]).max()
    stored[place] = stored[place] + change
    verdict = validate(copy)
    failed = {name: finding for name, finding in verdict.findings.items() if finding.failed}
    assert all(array in name for name in failed)
    rows = {row for finding in failed.values() for row, _ in finding.worst if not row.startswith("direction")}
    assert rows == set(named)
    assert all(name in verdict.sentence() for name in named)
    for finding in failed.values():  # a closer look shows the very element
        assert finding.around is not None
        assert finding.around.where.startswith(finding.worst[0][0])
        worst = max(finding.around.near, key=lambda neighbour: abs(neighbour.stored - neighbour.again))
        np.testing.assert_allclose(abs(worst.stored - worst.again), change, rtol=1e-6)
        assert any(worst.name in line for line in str(verdict).splitlines())


@pytest.mark.slow
def test_workers_find_what_this_process_finds(copy: Path) -> None:
    stored = zarr.open_array(copy / "hessian", mode="r+")
    stored[7, 40] += 1e-3
    before = validate(copy)
    assert before.failed
    assert validate(copy, workers=2) == before


def test_a_changed_digit_of_a_small_element_is_found(copy: Path) -> None:
    """Too small for any difference of E or its gradient to show, among elements as large as these."""
    for array, place in (("gradient", (3,)), ("hessian", (2, 30))):
        stored = zarr.open_array(copy / array, mode="r+")
        before = stored[place]
        stored[place] = before * (1 + 1e-9)
        assert not validate(copy).passed
        stored[place] = before
    assert validate(copy).passed


@pytest.mark.parametrize(("array", "value"), [("unit_i", 9), ("layer_j", "output.weight")])
def test_a_changed_label_is_found(copy: Path, array: str, value: object) -> None:
    stored = zarr.open_array(copy / array, mode="r+")
    stored[5] = value
    with pytest.raises(StoreError, match=f"'{array}' was changed at 5 .wanted (1|hidden.weight); got {value}"):
        validate(copy)


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
