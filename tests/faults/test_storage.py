"""What goes wrong between a block and its place in the store is found before the result is sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Files
from tests.faults.storage import STORAGE, StorageFault, Storing


@pytest.fixture(scope="module")
def storing(files: Files) -> Storing:
    return Storing(files.job())


def test_what_is_right_passes(storing: Storing, tmp_path: Path) -> None:
    assert storing.found_by(None, tmp_path / "right.zarr") == ""


@pytest.mark.parametrize("fault", STORAGE, ids=str)
def test_a_planted_fault_is_found(storing: Storing, fault: StorageFault, tmp_path: Path) -> None:
    assert storing.found_by(fault, tmp_path / "faulty.zarr") == "sealing"
