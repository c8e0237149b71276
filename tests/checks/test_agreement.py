"""Independent ways agree on what is right, and each kind of fault shows in the way that does not share it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jachess.checks.agreement import agreement
from jachess.checks.verdict import Finding
from jachess.network.head import error_head
from jachess.network.operations import TABLE
from jachess.network.operations.elementwise import unary
from tests.faults.random_networks import random_network
from tests.networks import CASES, Case

TANH = TABLE["Tanh"]


def compared(case: Case) -> Finding:
    head = error_head(case.network, case.error)
    return agreement(case.network, head, case.points, case.targets, jacobian=True, hessian=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_right_agrees(case: Case) -> None:
    found = compared(case)
    assert found.failed == 0, found.worst
    assert found.rows >= 4
    for order in found.numbers.values():
        assert abs(order - 2) < 0.1


@pytest.mark.parametrize("seed", [0, 36, 52, 53, 129, 169])
def test_what_cancels_on_the_way_agrees_too(seed: int) -> None:
    """Normalisations of large inputs, from whose derivatives little is left."""
    assert compared(random_network(seed).case).largest < 0.5


def f(x: Any, _: object) -> Any:
    return np.tanh(x)


def f1(x: Any, _: object) -> Any:
    return 1 - np.tanh(x) ** 2


def f2(x: Any, _: object) -> Any:
    return -2 * np.tanh(x) * f1(x, _)


FAULTS = {
    "first derivative": (
        replace(unary("Tanh", f, lambda x, at: 1.001 * f1(x, at), f2), analytic=True),
        {"jacobian: accumulation = complex step", "jacobian: order of differences = 2"},
    ),
    "second derivative": (
        replace(unary("Tanh", f, f1, lambda x, at: 1.001 * f2(x, at)), analytic=True),
        {"hessian: strip = complex step", "hessian: order of differences = 2"},
    ),
    "derivative alone": (
        replace(TANH, derivative=lambda call: 1.001 * TANH.derivative(call)),  # type: ignore[misc]
        {"jacobian: accumulation = complex step", "jacobian: order of differences = 2"},
    ),
    "tangent alone": (
        replace(TANH, tangent=lambda call, dx: (None if dx[0] is None else 1.001 * TANH.tangent(call, dx)[0],)),  # type: ignore[misc]
        {"hessian: strip = R-operator"},
    ),
    "cotangent alone": (
        replace(TANH, cotangent=lambda *given: tuple(None if x is None else 1.001 * x for x in TANH.cotangent(*given))),  # type: ignore[misc]
        {"gradient: back = forward propagation", "hessian: strip = complex step without backpropagation"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_shows(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record, wanted = FAULTS[fault]
    monkeypatch.setitem(TABLE, "Tanh", record)
    found = compared(CASES[0])
    assert wanted <= {name for name, _ in found.worst}
