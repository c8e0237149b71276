"""Products of rows of derivatives with directions, and the rounding errors that their elements bring along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from jachess.backprop.differences import SAFETY, TINY, UNIT_ROUNDOFF
from jachess.network.graph import Array
from jachess.network.working_arrays import empty_like

TERMS = 1 << 16
"""Terms of J v or H v that are formed at once: what stays in cache."""

Pieces = Callable[[], Iterable[tuple[slice, Array]]]
"""Each call goes once through some rows of H, in pieces (columns, array)."""

Products = list[tuple[Array, Array]]
"""Of some rows with each direction: the product and its rounding error, both (rows,)."""


def products(derivatives: Array, direction: Array) -> tuple[Array, Array]:
    """Σ_i J_ki v_i along the last axis and its rounding error, some rows at a time: no second array of J's size.

    Parameters
    ----------
    derivatives : array (rows, …, M)
        In the type in which they are stored.
    direction : array (rows or 1, …, M)

    Returns
    -------
    product, rounding : arrays (rows, …)
    """
    product = np.zeros(derivatives.shape[:-1])
    size, step = np.zeros_like(product), max(1, TERMS // max(1, derivatives[:1].size))
    for start in range(0, len(derivatives), step):
        part = slice(start, start + step)
        with np.errstate(all="ignore"):
            terms = derivatives[part] * (direction[part] if len(direction) > 1 else direction)
            product[part], size[part] = terms.sum(axis=-1), norms(terms)
    return product, _rounding(derivatives.dtype, size, norms(direction))


def products_beyond(derivatives: Array, direction: Array, known: Sequence[Array]) -> tuple[Array, Array]:
    """The same of what derivatives are beyond those that are known of a part; all may be of different types."""
    product, rounding = products(derivatives, direction)
    for part in known:
        less, uncertain = products(part, direction)
        product, rounding = product - less, rounding + uncertain
    return product, rounding


def products_along(rows: Array, directions: Sequence[Array]) -> Products:
    """H v and its rounding error for directions (M,) that are the same for all rows (R, M): two products of matrices.

    The second is that of the squares; where these vanish or overflow, terms are formed one by one.
    """
    along, (n_rows, width) = np.stack(directions, axis=1), rows.shape
    product, squares = np.zeros((2, n_rows, len(directions)))
    with np.errstate(all="ignore"):
        along_squared = np.square(along)
        for part, columns in _parts(rows):
            some = empty_like(rows[part, columns], product.dtype)
            np.copyto(some, rows[part, columns])
            product[part] += some @ along[columns]
            squares[part] += np.square(some, out=some) @ along_squared[columns]
        size, step = np.sqrt(squares), max(1, TERMS // max(1, width))
        extreme = np.flatnonzero(_extreme(squares).any(axis=1))
        for start in range(0, len(extreme), step):
            few = extreme[start : start + step]
            size[few] = np.stack([norms(rows[few] * direction) for direction in directions], axis=1)
    least = [norms(direction[None]) for direction in directions]
    return [(product[:, k], _rounding(rows.dtype, size[:, k], least[k])) for k in range(len(directions))]


def _parts(rows: Array) -> Iterator[tuple[slice, slice]]:
    """Some rows, or some columns where these lie together, as they do in what is read across the diagonal."""
    across = rows.strides[0] < rows.strides[1]
    step = max(1, TERMS // max(1, rows.shape[1 - across]))
    for start in range(0, rows.shape[across], step):
        part = slice(start, start + step)
        yield (slice(None), part) if across else (part, slice(None))


def row_products(directions: Sequence[Array], rows: slice, pieces: Pieces) -> tuple[Products, Array]:
    """H[rows] v for each direction (W,), with its rounding error, and which rows are finite."""
    n_rows = rows.stop - rows.start
    found = [(np.zeros(n_rows), np.zeros(n_rows)) for _ in directions]
    finite = np.ones(n_rows, bool)
    for columns, piece in pieces():
        parts = products_along(piece, [direction[columns] for direction in directions])
        finite &= finite_rows(piece, parts)
        for (product, rounding), (part, its_rounding) in zip(found, parts, strict=True):
            product += part
            np.hypot(rounding, its_rounding, out=rounding)
    return found, finite


def finite_rows(rows: Array, found: Products) -> Array:
    """Which rows have finite elements only, (R,), from their products: no other row has a finite one."""
    finite = np.isfinite(found[0][0])
    for row in np.flatnonzero(~finite):
        finite[row] = np.isfinite(rows[row]).all()
    return finite


def norms(rows: Array) -> Array:
    """Euclidean norms along the last axis, also of rows whose squares would vanish or overflow."""
    squares = np.einsum("...i,...i->...", rows, rows)
    extreme = _extreme(squares)
    found = np.asarray(np.sqrt(squares))
    if extreme.any():
        some = rows[extreme]
        scale = np.abs(some).max(axis=-1, initial=TINY, keepdims=True)
        found[extreme] = np.sqrt(((some / scale) ** 2).sum(axis=-1)) * scale[..., 0]
    return found


def _extreme(squares: Array) -> Array:
    """Sums of squares that have lost digits, or all of them."""
    return np.asarray(~((squares > TINY / UNIT_ROUNDOFF) & (squares < np.inf)))


def _rounding(dtype: np.dtype[Any], size: Array, least: Array) -> Array:
    """The error of Σ J v whose terms have this Euclidean norm, J rounded to a type, v of the norm ``least``."""
    kind = np.finfo(dtype)
    return np.asarray(SAFETY * np.hypot(float(kind.eps) / 2 * size, float(kind.smallest_subnormal) / 2 * least))
