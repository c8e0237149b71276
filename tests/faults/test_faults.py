"""Every planted fault is found by the checks of each quantity that it changes."""

from __future__ import annotations

import pytest

from tests.faults.blocks import CHECKED
from tests.faults.cases import NETWORKS
from tests.faults.fault import Fault
from tests.faults.positions import POSITIONS
from tests.faults.table import FAULTS
from tests.faults.trial import Subject

PAIRS = [(fault, quantity) for fault in FAULTS for quantity in fault.quantities]


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> list[Subject]:
    """In blocks whose borders cut units, and chunks of points of which the last is a partial one."""
    folder = tmp_path_factory.mktemp("networks")
    return [
        Subject(case, folder / str(number), strip=31, points_per_block=12, points_at_once=9)
        for number, case in enumerate(NETWORKS)
    ]


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({str(fault) for fault in FAULTS}) == len(FAULTS) > 80
    assert len({fault.kind for fault in FAULTS}) > 25


@pytest.mark.parametrize("number", range(len(NETWORKS)), ids=lambda number: str(NETWORKS[number]))
def test_right_networks_pass(subjects: list[Subject], number: int) -> None:
    for quantity in CHECKED:
        assert (subjects[number].right(quantity).residual < 0.5).all()


@pytest.mark.parametrize(("fault", "quantity"), PAIRS, ids=str)
def test_a_planted_fault_is_found(subjects: list[Subject], fault: Fault, quantity: str) -> None:
    for subject in subjects[::-1] if fault in POSITIONS else subjects:  # only the last ones have many positions
        if not fault.operation or fault.operation in subject.operations:
            trial = subject.attempt(fault, quantity)
            if trial.bites(fault):
                assert trial.caught
                return
    pytest.fail("the fault changes nothing in any network")
