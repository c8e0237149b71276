"""What makes the kernels fast changes no number: floating type, chunks, buffers used again, pieces, short tangents."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jachess
from jachess.backprop import (
    arguments,
    factors,
    jacobian,
    pair_sums,
    perturbations,
    position_sums,
    positions,
    r_operator,
    segments,
    tile_sums,
    unit_products,
    whole,
)
from jachess.backprop.factors import Constant, Elementwise, Factor, Scaled, product, spelled
from jachess.backprop.hessian import hessian_strip
from jachess.backprop.jacobian import JacobianKernel
from jachess.network import working_arrays
from jachess.network.graph import Array
from tests.backprop.test_checks import head_and_chunks
from tests.conftest import longer
from tests.networks import CASES, Builder, Case

cases = pytest.mark.parametrize("case", CASES, ids=str)
FLOAT64 = np.dtype(np.float64)


def close(a: Array, b: Array, tolerance: float) -> None:
    assert a.shape == b.shape
    assert np.abs(a.astype(np.float64) - b).max(initial=0) <= tolerance * max(np.abs(b).max(initial=0), 1e-300)


def hessian(case: Case, **options: object) -> Array:
    return jachess.hessian(case.network, case.points[0], case.targets, error=case.error, **options)  # type: ignore[arg-type]


@cases
def test_float32_throughout(case: Case) -> None:
    """All in float32: some hundred roundings of 6e-8, and the result in that type."""
    single, double = hessian(case, dtype=np.float32), hessian(case)
    assert single.dtype == np.float32
    close(single, double, 2e-5)
    single, double = (jachess.jacobian(case.network, case.points[0], dtype=t) for t in (np.float32, np.float64))
    assert single.dtype == np.float32
    close(single, double, 2e-5)


@pytest.mark.slow
def test_float32_sums_over_many_chunks_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What float32 does to a point it does to each; with 6,000 chunks, sums in float32 would be off by 1e-5 besides."""
    case = CASES[0]
    points, targets = (np.concatenate([array] * 1000) for array in (case.points[0], case.targets))
    monkeypatch.setattr(arguments, "POINTS_AT_ONCE", 4)
    monkeypatch.setattr(arguments, "VALUES", 1)
    many = jachess.hessian(case.network, points, targets, error=case.error, dtype=np.float32)
    close(many, 1000 * hessian(case, dtype=np.float32).astype(np.float64), 1e-6)


@cases
@pytest.mark.parametrize("threads", longer([1, 3], but=[3]))
def test_small_pieces_and_groups_give_the_same_hessian(
    case: Case, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = hessian(case)
    for module, name, value in (
        (arguments, "POINTS_AT_ONCE", 5),
        (arguments, "VALUES", 1),
        (tile_sums, "PERTURBED", 1),
        (whole, "COLLECTED", 512),
        (position_sums, "PERTURBED", 1),
        (position_sums, "RESPONSES", 30),
        (position_sums, "SUMMED", 3),
        (positions, "SUMS", 50),
        (pair_sums, "FINISHED", 7),
        (pair_sums, "RUN", 3),
        (whole, "SUMS", 50),
        (perturbations, "KEPT", 0),
        (whole, "SMALL", 0),
        (r_operator, "MOST", 4),
        (positions, "ACROSS", 3),
        (r_operator, "ELEMENTS", 1),
        (unit_products, "UNIT_VECTORS", 3),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("jachess.backprop.parallel.n_cores", lambda: threads)
    close(hessian(case), wanted, 1e-13)


@cases
@pytest.mark.parametrize("sums", [1, 200])
def test_strips_of_a_few_units_at_a_time_are_parts_of_the_whole(
    case: Case, sums: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut anywhere, with parts of units."""
    whole, n = hessian(case), case.network.n_weights
    head, chunks = head_and_chunks(case)
    monkeypatch.setattr(tile_sums, "SUMS", sums)
    monkeypatch.setattr("jachess.backprop.hessian.COLLECTED", 512)
    for start, stop in ((0, n // 3), (n // 3, n // 2 + 1), (n // 2 + 1, n)):
        rows = slice(start, stop)
        close(hessian_strip(head, chunks, rows), whole[rows, start:], 1e-13)
        single = hessian_strip(head, chunks, rows, dtype="float32")
        assert single.dtype == np.float32
        close(single, whole[rows, start:], 1e-7)


@cases
def test_every_element_is_written(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that is not zero to begin with shows what is left out."""
    wanted, empty = hessian(case), np.empty
    monkeypatch.setattr(np, "empty", lambda shape, dtype=float, **_: np.full(shape, 85, dtype))
    working_arrays.give_back(0)
    found = hessian(case)
    monkeypatch.setattr(np, "empty", empty)
    close(found, wanted, 1e-13)


@cases
@pytest.mark.parametrize("method", jacobian.METHODS)
def test_small_chunks_give_the_same_jacobian(case: Case, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = jachess.jacobian(case.network, case.points[0])
    monkeypatch.setattr(jacobian, "WORKING", 1), monkeypatch.setattr(jacobian, "PASSED", 1)
    jacobian.kernel_of.cache_clear()
    close(jachess.jacobian(case.network, case.points[0], method=method), wanted, 1e-13)


@cases
@pytest.mark.parametrize("method", jacobian.METHODS)
@pytest.mark.parametrize("passing", [0, 1 << 20])
def test_a_pass_and_a_product_with_a_matrix_give_the_same_jacobian(
    case: Case, method: str, passing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = jachess.jacobian(case.network, case.points[0])
    monkeypatch.setattr(segments, "PASSING", passing)
    monkeypatch.setattr(segments, "BUILT", 50)
    jacobian.kernel_of.cache_clear()
    close(jachess.jacobian(case.network, case.points[0], method=method), wanted, 1e-13)
    jacobian.kernel_of.cache_clear()


def test_a_large_convolution_is_passed_and_its_matrix_never_built() -> None:
    """It would have 10 million elements, and what its windows see 250 million."""
    b = Builder(0, 3136)
    z = b.apply("Reshape", "x", b.constant("picture", np.array([0, 16, 14, 14])))
    z = b.apply("Tanh", b.apply("Conv", z, b.weight("kernel", 16, 16, 5, 5), pads=[2, 2, 2, 2]))
    kernel = JacobianKernel(b.network(b.layer(b.apply("Flatten", z), "output", 3, 3136), 3))
    assert [segment.passed for segment in kernel._segments] == [True, False, False]


def test_a_wide_value_that_keeps_its_order_needs_no_matrix() -> None:
    """One of a Flatten of 4,096 elements would be 134 MB; that of the mean behind it is wanted."""
    b = Builder(0, 4096)
    z = b.apply("Reshape", b.apply("Tanh", "x"), b.constant("picture", np.array([0, 64, 64])))
    z = b.apply("Flatten", b.apply("Mul", b.apply("Sin", z), b.weight("gain", 64)))
    kernel = JacobianKernel(b.network(b.layer(z, "output", 3, 4096), 3))
    assert sum(segment.constant.matrix.size for segment in kernel._segments if segment.constant) == 3 * 4096


def test_a_chain_is_written_in_place() -> None:
    """The result of a dense network is written by the last product itself: no array of its size is made besides."""
    b = Builder(0, 5)
    z = b.apply("Tanh", b.layer("x", "hidden", 6, 5))
    net = b.network(b.layer(z, "output", 3, 6), 3)
    kernel, out = JacobianKernel(net), np.zeros((7, 3, 5))
    points = (np.random.default_rng(0).normal(size=(7, 5)),)
    state = jacobian.forward(net, points)
    assert kernel._between(state, kernel._bracket, None, out) is out


def test_no_value_is_computed_that_no_derivative_depends_on() -> None:
    """Neither the last activation nor what follows it; what adds a bias, or only changes shapes, multiplies nothing."""
    b = Builder(0, 5)
    z = b.apply("Tanh", b.apply("Add", b.apply("MatMul", "x", b.weight("w", 5, 6)), b.weight("b", 6)))
    kernel = JacobianKernel(b.network(b.layer(b.apply("Flatten", z), "output", 3, 6), 3))
    assert [node.operation for node in kernel.network.nodes] == ["MatMul", "Add"]
    assert [segment.constant is None for segment in kernel._segments] == [False, True, False]


KINDS = ["identity", "constant", "picking", "elementwise", "scaled columns", "scaled rows", "dense"]


@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
@pytest.mark.parametrize("joined", [0, factors.JOINED])
def test_products_of_factors(left: str, right: str, joined: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "JOINED", joined)
    random, n, width = np.random.default_rng(0), 4, 3

    def make(kind: str) -> Factor:
        return {
            "identity": None,
            "constant": Constant(random.normal(size=(width, width))),
            "picking": Constant(np.diag(random.normal(size=width))[[1, 0, 2]] * [1, 0, 1]),
            "elementwise": Elementwise(random.normal(size=(n, width))),
            "scaled columns": Scaled(
                Constant(random.normal(size=(width, width))), random.normal(size=(n, width)), False
            ),
            "scaled rows": Scaled(Constant(random.normal(size=(width, width))), random.normal(size=(n, width)), True),
            "dense": random.normal(size=(n, width, width)),
        }[kind]

    a, b = make(left), make(right)
    wanted = spelled(a, n, width, FLOAT64) @ spelled(b, n, width, FLOAT64)
    close(spelled(product(a, b), n, width, FLOAT64), wanted, 1e-14)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=12), st.randoms())
def test_buffers_in_use_are_never_handed_out_again(sizes: list[int], random: object) -> None:
    held: dict[int, Array] = {}
    for number, size in enumerate(sizes * 3):
        array = working_arrays.empty((size, 2), FLOAT64).T  # a view keeps its buffer too
        array[...] = number
        held[number] = array
        if random.random() < 0.5:  # type: ignore[attr-defined]
            held.pop(random.choice(sorted(held)))  # type: ignore[attr-defined]
    for number, array in held.items():
        assert (array == number).all()


def test_buffers_are_used_again_and_given_back() -> None:
    gc.collect()
    working_arrays.give_back(0)
    first = working_arrays.empty((1 << 16,), FLOAT64)
    place = first.__array_interface__["data"][0]
    del first
    second = working_arrays.empty((1 << 16,), FLOAT64)
    assert second.__array_interface__["data"][0] == place
    del second
    working_arrays.give_back(0)
    assert not working_arrays._buffers


def test_spare_buffers_are_bounded() -> None:
    for size in range(1, 40):
        working_arrays.empty((size << 18,), FLOAT64)
    assert sum(buffer.size for buffer in working_arrays._buffers) <= 40 << 21
    jachess.jacobian(CASES[0].network, CASES[0].points[0])
    assert sum(buffer.size for buffer in working_arrays._buffers) <= working_arrays.KEPT_BETWEEN


def test_other_floating_types_are_refused() -> None:
    with pytest.raises(jachess.InputError, match="float64 or float32"):
        jachess.jacobian(CASES[0].network, CASES[0].points[0], dtype=np.float16)


def test_the_same_network_in_another_type() -> None:
    net = CASES[0].network
    single = net.astype(np.float32)
    assert single.w.dtype == np.float32
    assert net.astype(np.float64) is net
    close(single.w, net.w, 1e-7)
    assert replace(single, w=net.w).w is net.w
