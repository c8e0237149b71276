"""Every operation: its value against ONNX's own definition, its rules against differences and against each other."""

from __future__ import annotations

import numpy as np
import pytest

from jachess.network.evaluation import evaluate, graph_of
from jachess.network.graph import Array
from jachess.network.operations import COMPOSITES, TABLE
from jachess.network.operations.record import Call, Maybe
from tests.network.calls import CASES, COMPOSED, LEFT_OUT, Case

RANDOM = np.random.default_rng(1)
STEP = 1e-6
COARSE = ("Attention", "Erf", "Gelu", "GroupNormalization", "HardSwish", "LinearClassifier", "LRN", "Resize")
"""What ONNX's reference computes in float32, at least in part."""
cases = pytest.mark.parametrize("case", CASES, ids=str)


def differentiable(case: Case) -> list[int]:
    condition = {"Where": [0], "CastLike": [1], "Resize": [1, 2, 3]}.get(case.operation, [])
    if case.operation == "Pow" and (case.inputs[0] < 0).any():
        condition = [1]  # a negative base has no derivative with respect to its exponent
    return [i for i, x in enumerate(case.inputs) if x.dtype.kind == "f" and i not in condition and x is not LEFT_OUT]


def moved(case: Case, tangents: Maybe, step: float) -> Call:
    inputs = tuple(x if t is None else x + step * t for x, t in zip(case.inputs, tangents, strict=True))
    return case.call(inputs)


def random_rows(case: Case, n_rows: int | None) -> Maybe:
    lead = () if n_rows is None else (n_rows,)
    chosen = differentiable(case)
    return tuple(RANDOM.normal(size=lead + x.shape) if i in chosen else None for i, x in enumerate(case.inputs))


def close(a: Array | None, b: Array | None, tolerance: float) -> None:
    """None is zero."""
    if a is None or b is None:
        known = a if a is not None else b
        assert known is None or np.abs(known).max(initial=0) <= tolerance
        return
    assert a.shape == b.shape
    assert np.abs(a - b).max(initial=0) <= tolerance * max(1.0, np.abs(b).max(initial=0))


def test_every_differentiable_operation_has_a_case() -> None:
    assert {name for name, record in TABLE.items() if record.tangent is not None} == {c.operation for c in CASES}


@pytest.mark.parametrize("case", [case for case in CASES if case.in_reference], ids=str)
def test_value_is_what_onnx_defines(case: Case) -> None:
    for ours, theirs in zip(case.call().outputs, case.defined(), strict=True):
        close(ours, theirs, 3e-6 if case.operation in COARSE else 1e-12)


def test_every_graph_of_operations_has_a_case() -> None:
    assert set(COMPOSITES) - {"If"} == {case.operation for case in COMPOSED}


@pytest.mark.parametrize("case", [case for case in COMPOSED if case.in_reference], ids=str)
def test_graphs_of_operations_are_what_onnx_defines(case: Case) -> None:
    nodes = graph_of(case.node, case.values())
    assert all(node.operation in TABLE for node in nodes)
    values = evaluate(nodes, case.values())
    for name, theirs in zip(case.node.outputs, case.defined(), strict=True):
        close(values[name], theirs, 3e-6 if case.operation in COARSE else 1e-12)


@cases
def test_tangent_against_differences(case: Case) -> None:
    tangents = random_rows(case, None)
    assert TABLE[case.operation].tangent is not None
    found = TABLE[case.operation].tangent(case.call(), tangents)
    left, right = (moved(case, tangents, k * STEP).outputs for k in (-1, 1))
    for ours, a, b in zip(found, left, right, strict=True):
        rounding = 4 * np.finfo(float).eps * np.abs(a).max(initial=0) / STEP
        close(ours, (b - a) / (2 * STEP), 2e-8 + rounding)


@cases
def test_cotangent_is_the_transpose_of_tangent(case: Case) -> None:
    record, call, tangents = TABLE[case.operation], case.call(), random_rows(case, 3)
    wanted = tuple(t is not None for t in tangents)
    cotangents = tuple(RANDOM.normal(size=(3, *y.shape)) for y in call.outputs)
    assert record.tangent is not None
    assert record.cotangent is not None
    pushed, pulled = record.tangent(call, tangents), record.cotangent(call, cotangents, wanted)
    for x, t, p in zip(case.inputs, tangents, pulled, strict=True):
        assert t is None or (p is not None and p.shape == (3, *x.shape))
    along = [
        sum(float((a[r] * b[r]).sum()) for a, b in zip(pushed, cotangents, strict=True) if a is not None)
        for r in range(3)
    ]
    back = [
        sum(
            float((a[r] * b[r]).sum()) for a, b in zip(tangents, pulled, strict=True) if a is not None and b is not None
        )
        for r in range(3)
    ]
    np.testing.assert_allclose(along, back, rtol=1e-11, atol=1e-11)


@cases
def test_curvature_against_differences_of_the_cotangent(case: Case) -> None:
    record, call, tangents = TABLE[case.operation], case.call(), random_rows(case, 2)
    wanted = tuple(t is not None for t in tangents)
    cotangents = tuple(RANDOM.normal(size=y.shape) for y in call.outputs)
    assert record.cotangent is not None
    none: Maybe = (None,) * len(case.inputs)
    found = none if record.curvature is None else record.curvature(call, tangents, cotangents, wanted)
    for row in range(2):
        one = tuple(None if t is None else t[row] for t in tangents)
        left, right = (record.cotangent(moved(case, one, k * STEP), cotangents, wanted) for k in (-1, 1))
        for ours, a, b, x, flag in zip(found, left, right, case.inputs, wanted, strict=True):
            if flag:
                assert a is not None
                assert b is not None
                row_of = None if ours is None else np.broadcast_to(ours, (2, *x.shape))[row]
                close(row_of, (np.broadcast_to(b, x.shape) - a) / (2 * STEP), 1e-7)


@cases
def test_complex_step_of_analytic_operations(case: Case) -> None:
    """Im f(x + iεv)/ε has no cancellation: the rules agree with it to the last digits, first and second order."""
    record, call, tangents = TABLE[case.operation], case.call(), random_rows(case, None)
    if not (record.analytic or record.moves):
        return
    wanted, step = tuple(t is not None for t in tangents), 1e-30
    cotangents = tuple(RANDOM.normal(size=y.shape) for y in call.outputs)
    moved = tuple(x if t is None else x + 1j * step * t for x, t in zip(case.inputs, tangents, strict=True))
    beside = case.call(moved)
    assert record.tangent is not None
    assert record.cotangent is not None
    for ours, y in zip(record.tangent(call, tangents), beside.outputs, strict=True):
        close(ours, y.imag / step, 1e-13)
    none: Maybe = (None,) * len(case.inputs)
    found = none if record.curvature is None else record.curvature(call, tangents, cotangents, wanted)
    for ours, pulled, flag in zip(found, record.cotangent(beside, cotangents, wanted), wanted, strict=True):
        if flag:
            assert pulled is not None
            close(ours, np.imag(pulled) / step, 1e-12)


@cases
def test_the_derivative_is_the_tangent_of_ones(case: Case) -> None:
    record, call = TABLE[case.operation], case.call()
    if record.derivative is None:
        return
    assert record.tangent is not None
    close(record.derivative(call), record.tangent(call, (np.ones(call.x.shape),))[0], 0)


@cases
def test_what_is_added_up_in_place_is_new(case: Case) -> None:
    """Curvature, and cotangents of elementwise operations that have any: each element its own, and nobody else's."""
    record, call, tangents = TABLE[case.operation], case.call(), random_rows(case, 2)
    if record.curvature is None:
        return
    wanted = tuple(t is not None for t in tangents)
    cotangents = tuple(RANDOM.normal(size=y.shape) for y in call.outputs)
    rows = tuple(RANDOM.normal(size=(2, *y.shape)) for y in call.outputs)
    assert record.cotangent is not None
    others = [*call.inputs, *call.outputs, *tangents, *cotangents, *rows]
    pulled = record.cotangent(call, rows, wanted) if record.elementwise else ()
    for array in (*pulled, *record.curvature(call, tangents, cotangents, wanted)):
        if array is not None:
            assert array.flags.writeable
            assert 0 not in array.strides or array.size <= 1
            assert not any(other is not None and np.shares_memory(array, other) for other in others)


@cases
def test_rows_are_computed_as_single_rows_are(case: Case) -> None:
    record, call, tangents = TABLE[case.operation], case.call(), random_rows(case, 3)
    assert record.tangent is not None
    together = record.tangent(call, tangents)
    for row in range(3):
        alone = record.tangent(call, tuple(None if t is None else t[row] for t in tangents))
        for a, b in zip(together, alone, strict=True):
            close(None if a is None else a[row], b, 1e-13)


@pytest.mark.parametrize("name", [name for name, record in TABLE.items() if record.sides is not None])
def test_sides_change_exactly_where_the_piece_does(name: str) -> None:
    case = next(c for c in CASES if c.operation == name)
    rule = TABLE[name].sides
    assert rule is not None
    here = np.asarray(rule(case.call()))
    near = tuple(x + 1e-9 if x.dtype.kind == "f" else x for x in case.inputs)
    far = tuple(
        -40 * x if x.dtype.kind == "f" and i == 0 else ~x if x.dtype.kind == "b" else x
        for i, x in enumerate(case.inputs)
    )
    assert (rule(case.call(near)) == here).all()
    assert (np.asarray(rule(case.call(far))) != here).any()


@pytest.mark.parametrize("name", ["Tanh", "Mish", "Sigmoid"])
def test_derivatives_are_exact_where_units_saturate(name: str) -> None:
    """To twelve digits of their own size, not of 1: e^-2|x| for tanh, e^-|x| for the logistic sigmoid."""
    x = {"Tanh": -18.0, "Mish": -40.0, "Sigmoid": 40.0}[name]
    wanted = {"Tanh": 4 * np.exp(-36), "Mish": -39 * np.exp(-40), "Sigmoid": np.exp(-40)}[name]
    (found,) = TABLE[name].tangent(Case(name, (np.array([x]),)).call(), (np.ones((1, 1)),))  # type: ignore[misc]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "rate"), [("Tanh", 2), ("Sigmoid", 1)])
def test_derivatives_of_sigmoids_have_all_digits_of_their_type(name: str, rate: int, dtype: type) -> None:
    """Against r² e / (1 + e)², e = exp(−r|x|), in a wider type; they vanish without overflow where they must."""
    sizes = np.concatenate([[0], np.geomspace(1e-300, 1, 2000), np.linspace(1, 400, 20000)])
    x = np.concatenate([-sizes[::-1], sizes, [800]]).astype(dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = TABLE[name].derivative(Case(name, (x,)).call())  # type: ignore[misc]
    e = np.exp(-rate * np.abs(x).astype(np.longdouble))
    wanted = rate**2 * e / (1 + e) ** 2
    assert found.dtype == dtype
    limits = np.finfo(dtype)
    allowed = np.maximum(4 * float(limits.eps) * wanted, 4 * float(limits.smallest_subnormal))
    assert (np.abs(found - wanted) <= allowed).all()


def test_the_other_branch_may_be_infinite() -> None:
    case = Case("Where", (np.array([True, False]), np.array([1.0, np.inf]), np.array([np.nan, 2.0])))
    pulled = TABLE["Where"].cotangent(case.call(), (np.array([3.0, 4.0]),), (False, True, True))  # type: ignore[misc]
    np.testing.assert_array_equal(pulled[1], [3.0, 0.0])
    np.testing.assert_array_equal(pulled[2], [0.0, 4.0])


def test_infinite_derivatives_that_nobody_uses_do_no_harm() -> None:
    case = Case("Sqrt", (np.array([-1.0, 0.0, 4.0]),))
    call, rows = case.call(), np.array([[0.0, 0.0, 2.0]])
    with np.errstate(all="ignore"):
        pushed, pulled = TABLE["Sqrt"].tangent(call, (rows,)), TABLE["Sqrt"].cotangent(call, (rows,), (True,))  # type: ignore[misc]
    np.testing.assert_array_equal(pushed[0], [[0.0, 0.0, 0.5]])
    np.testing.assert_array_equal(pulled[0], [[0.0, 0.0, 0.5]])
