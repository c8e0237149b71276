"""Gemm and MatMul: where weights enter a network linearly, as products of matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.axes import align, bounded, unbroadcast
from jachess.network.operations.products import matrix_product, product_of_batches, summed_product
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, PointAxis, Positions, Wanted
from jachess.network.working_arrays import empty


def _rows_of_diagonal(rows: Array, units: Array, b: Array) -> Array:
    """Products with b of rows that are zero but at one unit each, v_j(n) b_jm as (J, n, M), points last in memory."""
    found = empty((len(units), b.shape[1], rows.shape[1]), np.result_type(rows, b))
    return np.multiply(b[units][:, :, None], rows[:, None, :], out=found).swapaxes(1, 2)


def _transposed(matrix: Array) -> Array:
    return matrix.swapaxes(-1, -2)


def _gemm_operands(call: Call) -> tuple[Array, Array]:
    a, b = call.inputs[0], call.inputs[1]
    assert a is not None
    assert b is not None
    if (a.ndim, b.ndim) != (2, 2):
        raise NetworkError(f"it multiplies matrices (got shapes {a.shape} and {b.shape})")
    return (a.T if call.attributes["transA"] else a), (b.T if call.attributes["transB"] else b)


def _scaled(factor: float, product: Array) -> Array:
    return product if factor == 1 else np.asarray(factor * product)


def _bias(call: Call) -> Array | None:
    return call.inputs[2] if len(call.inputs) > 2 else None


def _gemm(call: Call) -> Arrays:
    a, b = _gemm_operands(call)
    bounded((a.shape[0], b.shape[1]))
    alpha, beta, c = call.attributes["alpha"], call.attributes["beta"], _bias(call)
    y = _scaled(alpha, matrix_product(a, b))
    if c is None:
        return (y,)
    bias = c if beta == 1 else np.asarray(beta * c)
    return (np.add(y, bias, out=y if bias.dtype == y.dtype else None),)


def _gemm_tangent(call: Call, dx: Maybe) -> Maybe:
    a, b = _gemm_operands(call)
    alpha, beta = call.attributes["alpha"], call.attributes["beta"]
    terms = []
    if dx[0] is not None:
        terms.append(_scaled(alpha, matrix_product(_transposed(dx[0]) if call.attributes["transA"] else dx[0], b)))
    if dx[1] is not None:
        terms.append(_scaled(alpha, a @ (_transposed(dx[1]) if call.attributes["transB"] else dx[1])))
    c = _bias(call)
    if c is not None and dx[2] is not None:
        aligned = align(dx[2], c.ndim, 2)
        terms.append(beta * np.broadcast_to(aligned, aligned.shape[:-2] + call.y.shape))
    return (sum(terms[1:], start=terms[0]) if terms else None,)


def _gemm_from_diagonal(call: Call, rows: Array, units: Array) -> Array | None:
    if call.attributes["transA"]:
        return None
    return _rows_of_diagonal(_scaled(call.attributes["alpha"], rows), units, _gemm_operands(call)[1])


def _gemm_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    (delta,) = dy
    found: list[Array | None] = [None] * len(call.inputs)
    if delta is None:
        return tuple(found)
    found[:2] = _gemm_sides(call, wanted, delta, delta, *_gemm_operands(call))
    c = _bias(call)
    if c is not None and wanted[2]:
        found[2] = call.attributes["beta"] * unbroadcast(delta, 2, c.shape)
    return tuple(found)


def _gemm_sides(
    call: Call, wanted: Wanted, delta_a: Array | None, delta_b: Array | None, a: Array | None, b: Array | None
) -> list[Array | None]:
    """α ȳ Bᵀ and α Aᵀ ȳ, turned as the operands lie in the call."""
    alpha, found = call.attributes["alpha"], [None, None]
    result: list[Array | None] = list(found)
    if wanted[0] and delta_a is not None and b is not None:
        left = _scaled(alpha, matrix_product(delta_a, b.T) if b.ndim == 2 else delta_a @ _transposed(b))
        result[0] = _transposed(left) if call.attributes["transA"] else left
    if wanted[1] and delta_b is not None and a is not None:
        right = _scaled(alpha, _transposed(a) @ delta_b)
        result[1] = _transposed(right) if call.attributes["transB"] else right
    return result


def _gemm_curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
    da, db = dx[0], dx[1]
    if da is not None and call.attributes["transA"]:
        da = _transposed(da)
    if db is not None and call.attributes["transB"]:
        db = _transposed(db)
    found = _gemm_sides(call, wanted, dy[0], dy[0], da, db)
    return (*found, *([None] * (len(call.inputs) - 2)))


def _at_rows(ndim: int, points: PointAxis, matrix: Callable[[Array], Array]) -> Positions:
    """Rows of matrices as positions, their last axis inputs or units."""

    def by_position(rows: Array) -> Array:
        return points.by_position(rows, ndim)

    return Positions(by_position, by_position, matrix)


def _gemm_positions(call: Call, points: PointAxis) -> Positions | None:
    bias, attributes, n_units = _bias(call), call.attributes, _gemm_operands(call)[1].shape[1]
    plain = attributes["alpha"] == 1 and (bias is None or (attributes["beta"] == 1 and bias.size == n_units))
    if attributes["transA"] or points.axis != 0 or not plain:
        return None
    return _at_rows(2, points, (lambda matrix: matrix) if attributes["transB"] else _transposed)


GEMM = Operation(
    "Gemm",
    (2, 3),
    _gemm,
    _gemm_tangent,
    _gemm_cotangent,
    _gemm_curvature,
    attributes={"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0},
    weights=(0, 1, 2),
    linear=True,
    analytic=True,
    from_diagonal=_gemm_from_diagonal,
    positions=_gemm_positions,
)


class _Matrices:
    """The operands of a MatMul with at least two axes each: one axis counts as a row (left) or a column (right)."""

    def __init__(self, call: Call) -> None:
        a, b = call.inputs
        assert a is not None
        assert b is not None
        self.shapes = (a.shape, b.shape)
        self.a = a[None, :] if a.ndim == 1 else a
        self.b = b[:, None] if b.ndim == 1 else b
        batch = np.broadcast_shapes(self.a.shape[:-2], self.b.shape[:-2])
        self.shape = (*batch, self.a.shape[-2], self.b.shape[-1])

    def left(self, rows: Array) -> Array:
        """Rows of the left operand as rows of matrices that broadcast with the result."""
        lead = rows.ndim - len(self.shapes[0])
        return align(rows.reshape(rows.shape[:lead] + self.a.shape), self.a.ndim, len(self.shape))

    def right(self, rows: Array) -> Array:
        lead = rows.ndim - len(self.shapes[1])
        return align(rows.reshape(rows.shape[:lead] + self.b.shape), self.b.ndim, len(self.shape))

    def result(self, rows: Array, ndim: int) -> Array:
        """Rows of the output as rows of matrices."""
        return rows.reshape(rows.shape[: rows.ndim - ndim] + self.shape)


def _matmul(call: Call) -> Arrays:
    m = _Matrices(call)
    bounded(m.shape)
    a, b = call.inputs
    assert a is not None
    assert b is not None
    return (matrix_product(a, b),)


def _matmul_tangent(call: Call, dx: Maybe) -> Maybe:
    m, terms = _Matrices(call), []
    if dx[0] is not None:
        terms.append(matrix_product(m.left(dx[0]), m.b))
    if dx[1] is not None:
        terms.append(product_of_batches(m.a, m.right(dx[1])))
    if not terms:
        return (None,)
    total = sum(terms[1:], start=terms[0])
    return (total.reshape(total.shape[: total.ndim - len(m.shape)] + call.y.shape),)


def _matmul_from_diagonal(call: Call, rows: Array, units: Array) -> Array | None:
    a, b = call.inputs
    assert a is not None
    return _rows_of_diagonal(rows, units, b) if a.ndim == 2 and b is not None and b.ndim == 2 else None


def _matmul_sides(
    m: _Matrices, wanted: Wanted, delta: Array, a: Array | None, b: Array | None
) -> tuple[Array | None, Array | None]:
    """ȳ Bᵀ and Aᵀ ȳ, summed over the batch axes along which an operand was repeated."""
    left = right = None
    if wanted[0] and b is not None:
        product = matrix_product(delta, _transposed(b))
        left = _as_operand(product, len(m.shape), m.a.shape, m.shapes[0])
    if wanted[1] and a is not None:
        if m.b.ndim == 2 and len(m.shape) > 2:
            right = summed_product(a, delta, len(m.shape) - 1)
            right = right.reshape(right.shape[:-2] + m.shapes[1])
        else:
            right = _as_operand(matrix_product(_transposed(a), delta), len(m.shape), m.b.shape, m.shapes[1])
    return left, right


def _as_operand(product: Array, ndim: int, matrix: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    summed = unbroadcast(product, ndim, matrix)
    return summed.reshape(summed.shape[: summed.ndim - len(matrix)] + shape)


def _matmul_cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    if dy[0] is None:
        return (None, None)
    m = _Matrices(call)
    return _matmul_sides(m, wanted, m.result(dy[0], call.y.ndim), m.a, m.b)


def _matmul_curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
    if dy[0] is None:
        return (None, None)
    m = _Matrices(call)
    da = None if dx[0] is None else m.left(dx[0])
    db = None if dx[1] is None else m.right(dx[1])
    return _matmul_sides(m, wanted, m.result(dy[0], call.y.ndim), da, db)


def _matmul_positions(call: Call, points: PointAxis) -> Positions | None:
    a, b = call.inputs
    if a is None or b is None or a.ndim < 2 or b.ndim != 2 or points.axis == a.ndim - 1:
        return None
    return _at_rows(a.ndim, points, _transposed)


MATMUL = Operation(
    "MatMul",
    (2, 2),
    _matmul,
    _matmul_tangent,
    _matmul_cotangent,
    _matmul_curvature,
    weights=(0, 1),
    linear=True,
    analytic=True,
    from_diagonal=_matmul_from_diagonal,
    positions=_matmul_positions,
)
LINEAR = (GEMM, MATMUL)
