"""The verdict: one object for stores and functions, in words, numbers and JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jachess import check_jacobian
from jachess.checks.verdict import Around, Element, Finding, Neighbour, Verdict

RIGHT = Finding(100, 0, 0, 0.3, ())
WRONG = Finding(
    100,
    2,
    0,
    np.inf,
    (("row 3", np.inf), ("row 4", 5.0)),
    (Element((3, 1), 1.0, np.nan, np.nan, 0.0),),
    around=Around("row 3, in block 0", (Neighbour("input 1", np.inf, 1.0), Neighbour("input 2", 2.0, 2.0))),
)
FEW = Finding(100, 0, 1, 0.3, ())
MANY = Finding(100, 0, 2, 0.3, (), reasons={"it is dark": 2})

CASES = [
    ({"a": RIGHT}, True, False, "verified: every row agrees with central differences"),
    ({"a": FEW}, True, False, "verified: every row that has a verdict agrees with central differences; 1 of 100 rows"),
    ({"a": MANY}, False, False, "NOT VERIFIED: 2 of 100 rows of a have no verdict, because it is dark"),
    ({"a": RIGHT, "b": WRONG}, False, True, "FAILED: 2 of 100 rows of b disagree"),
    ({"a": MANY, "b": WRONG}, False, True, "FAILED: 2 of 100 rows of b disagree"),
]


@pytest.mark.parametrize(("findings", "passed", "failed", "sentence"), CASES)
def test_sentences(findings: dict[str, Finding], passed: bool, failed: bool, sentence: str) -> None:
    verdict = Verdict(findings)
    assert (verdict.passed, bool(verdict), verdict.failed) == (passed, passed, failed)
    assert verdict.sentence().startswith(sentence)
    assert str(verdict).startswith(sentence)


@pytest.mark.parametrize("findings", [case[0] for case in CASES])
def test_json_and_back(findings: dict[str, Finding]) -> None:
    given = json.loads(Verdict(findings).as_json())
    assert given == Verdict.from_dict(given).as_dict()
    assert set(given) == {"passed", "sentence", "quantities"}


def test_what_a_store_holds_keeps_its_layout() -> None:
    assert RIGHT.as_dict() == {
        "rows": 100, "failed": 0, "unverified": 0, "largest": 0.3, "worst": [], "passed": True,
        "opponent": "central differences", "unit": "rows"
    }  # fmt: skip


def test_the_worst_elements_are_shown() -> None:
    wrong = np.diag([2.0, 4.0])
    wrong[1, 0] = 0.5
    lines = str(check_jacobian(np.square, np.array([1.0, 2.0]), wrong)).splitlines()
    assert lines[0].startswith("FAILED: 1 of 2 rows of jacobian disagree with central differences: row 1 (")
    assert lines[2].split() == ["element", "analytical", "numerical", "difference", "tolerance"]
    assert lines[3].startswith("  jacobian[1, 0]         0.5")
