"""Cholesky factors of a stored symmetric matrix, out of core: H + λI = Uᵀ U, in a scratch store.

Row panels of U, as high as the memory allows, are made one after the other: from the panel of H the products of all
earlier rows of U are taken away, what is left on the diagonal is factorised by LAPACK, and the rest of the panel is
solved for. Solving goes through the rows of U once forward, Uᵀ y = b, and once back, U x = y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from jachess.backprop.parallel import n_cores, on_all_cores
from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.matrix import Kept, Tile, TiledMatrix
from jachess.result.scratch import scratch_matrix
from jachess.result.source import Source
from jachess.result.streams import Passes, map_in_order

LEAST = 16
"""Rows of the smallest panel that is worth while."""


@dataclass(frozen=True)
class Cholesky:
    """The factor U (W, W), upper triangular, of H + λI = Uᵀ U.

    Attributes
    ----------
    matrix : TiledMatrix
        H.
    damping : float
        λ.
    factor : Source
        U; its chunks below the diagonal are not there.
    log_determinant : float
        log det (H + λI).
    scratch : path or None
        Where matrices are put that are made of it.
    kept : Kept
        As much of U as fits the memory.
    """

    matrix: TiledMatrix
    damping: float
    factor: Source
    log_determinant: float
    scratch: str | Path | None
    kept: Kept

    def solve(self, b: Array) -> Array:
        """(H + λI)⁻¹ b for a vector (W,) or the columns of an array (W, R)."""
        return self._swept(b, self._forward, self._back)

    def forward(self, b: Array) -> Array:
        """U⁻ᵀ b: its squared length is bᵀ (H + λI)⁻¹ b."""
        return self._swept(b, self._forward)

    def back(self, b: Array) -> Array:
        """U⁻¹ b: of independent standard normal numbers b it makes a sample of covariance (H + λI)⁻¹."""
        return self._swept(b, self._back)

    def _swept(self, b: Array, *sweeps: Callable[[Array, Passes], None]) -> Array:
        x, passes = self._copy(b), Passes("solution", len(list(self._rows())), len(sweeps))
        for sweep in sweeps:
            sweep(x, passes)
        passes.close()
        return x.reshape(np.shape(b))

    @on_all_cores
    def _forward(self, y: Array, passes: Passes) -> None:
        first = int(np.flatnonzero(y.any(axis=1))[0]) if y.any() else len(y)
        for span, columns in self._rows():
            passes.advance()
            if span.stop <= first:
                continue
            y[span] = solve_triangular(self._read(span, span), y[span], trans="T", check_finite=False)

            def subtract(part: slice, span: slice = span) -> None:
                y[part] -= self._read(span, part).T @ y[span]

            list(map_in_order(subtract, columns, self.matrix.n_threads))

    @on_all_cores
    def _back(self, x: Array, passes: Passes) -> None:
        for span, columns in reversed(list(self._rows())):
            passes.advance()

            def product(part: slice, span: slice = span) -> Array:
                return np.asarray(self._read(span, part) @ x[part])

            for found in map_in_order(product, columns, self.matrix.n_threads):
                x[span] -= found
            x[span] = solve_triangular(self._read(span, span), x[span], check_finite=False)

    def inverse(self) -> TiledMatrix:
        """(H + λI)⁻¹ in a scratch store of its own, for all that can be asked of a stored matrix."""
        size, (edge, width) = len(self.matrix), self._widths("the inverse")
        target = scratch_matrix(size, edge, f"inverse of {self.matrix.source.name}", self.scratch)
        for columns, unit, passes in self._units(width, 2, "the inverse"):
            self._forward(unit, passes)
            self._back(unit, passes)
            unit[columns] = (unit[columns] + unit[columns].T) / 2
            target.array[: columns.stop, columns] = unit[: columns.stop]
        return replace(self.matrix, source=replace(target, symmetric=True), require=_complete)

    def inverse_diagonal(self) -> Array:
        """The diagonal (W,) of (H + λI)⁻¹: squared lengths of the columns of U⁻ᵀ."""
        found, (_, width) = np.zeros(len(self.matrix)), self._widths("the inverse's diagonal")
        for columns, unit, passes in self._units(width, 1, "the inverse's diagonal"):
            self._forward(unit, passes)
            found[columns] = np.einsum("ij,ij->j", unit, unit)
        return found

    def _widths(self, what: str) -> tuple[int, int]:
        return fitting(self.matrix, self.factor.chunks[0], 2 * 8 * len(self.matrix), self.kept.held, what)

    def _units(self, width: int, n_sweeps: int, what: str) -> Iterator[tuple[slice, Array, Passes]]:
        """Columns of the identity matrix, as many at once as may be held, for so many sweeps over the rows of U."""
        spans = _spans(len(self.matrix), width)
        passes = Passes(what, len(list(self._rows())), n_sweeps * len(spans))
        for columns in spans:
            unit = np.zeros((len(self.matrix), columns.stop - columns.start))
            unit[columns] = np.eye(columns.stop - columns.start)
            yield columns, unit, passes
        passes.close()

    def _copy(self, b: Array) -> Array:
        given = np.asarray(b, np.float64)
        if given.ndim not in (1, 2) or len(given) != len(self.matrix):
            wanted = f"({len(self.matrix)},) or ({len(self.matrix)}, R)"
            raise InputError(f"b: wrong shape (wanted {wanted}; got {given.shape}).")
        self.matrix.room(2 * given.nbytes + self.kept.held, "a solution")
        return given.reshape(len(given), -1).copy()

    def _read(self, rows: slice, columns: slice) -> Array:
        return self.kept.read(self.factor, Tile(rows, columns))

    def _rows(self) -> Iterator[tuple[slice, list[slice]]]:
        """Each row of chunks of U, and the columns of chunks right of the diagonal."""
        spans = _spans(len(self.matrix), self.factor.chunks[0])
        return ((span, spans[number + 1 :]) for number, span in enumerate(spans))


def fitting(matrix: TiledMatrix, edge: int, row: int, held: int, what: str) -> tuple[int, int]:
    """Edge of the chunks and height of the panels of a scratch matrix, if each row of a panel takes ``row`` bytes.

    A panel is as high as the memory allows, in whole chunks; chunks of more rows than that are made smaller.
    """
    size = len(matrix)
    least = min(LEAST, size)
    height = min(size, least + matrix.room(held + least * row, what) // row)
    edge = min(edge, height)
    return edge, height // edge * edge


def _complete() -> None:
    """A scratch matrix that was made is whole."""


def _spans(size: int, edge: int, start: int = 0) -> list[slice]:
    return [slice(first, min(first + edge, size)) for first in range(start, size, edge)]


@on_all_cores
def factorise(matrix: TiledMatrix, *, damping: float = 0.0, scratch: str | Path | None = None) -> Cholesky:
    """The Cholesky factor of H + λI, out of core.

    Parameters
    ----------
    matrix : TiledMatrix
    damping : float
        λ, which must exceed the magnitude of the most negative eigenvalue.
    scratch : path, optional
        A folder with room for half the matrix in float64; the system's folder for temporary files by default.

    Returns
    -------
    Cholesky
        Solves, and knows the log-determinant.

    Raises
    ------
    InputError
        If H + λI is not positive definite, or memory or disk are too small.
    """
    matrix.require()
    size = len(matrix)
    edge, height = fitting(matrix, matrix.edge, 3 * 8 * size, 0, "a Cholesky factor")
    target = scratch_matrix(size, edge, f"Cholesky factor of {matrix.source.name}", scratch)
    panels = _spans(size, height)
    n_updates = sum((rows.start // edge) * len(_spans(size, edge, rows.start)) for rows in panels)
    # what is left of a panel when the earlier rows are gone counts as if it were updated by its own
    n_updates += sum(-(-(rows.stop - rows.start) // edge) * len(_spans(size, edge, rows.start)) for rows in panels)
    passes, log_determinant = Passes("Cholesky factor", n_updates), 0.0
    for rows in panels:
        panel = matrix.source.read((rows, slice(rows.start, size))).astype(np.float64, copy=False)
        corner = panel[:, : len(panel)]
        corner[np.diag_indices(len(panel))] += damping
        _subtract_earlier(target, panel, rows, passes)
        log_determinant += _finish(target, panel, rows, damping, passes)
    passes.close()
    kept = Kept(matrix.room(0, "a Cholesky factor") // 2)
    return Cholesky(matrix, damping, target, log_determinant, scratch, kept)


def _subtract_earlier(target: Source, panel: Array, rows: slice, passes: Passes) -> None:
    """Take the products of all earlier rows of U from a panel."""
    size, edge = target.shape[0], target.chunks[0]
    for earlier in _spans(rows.start, edge):
        left = np.ascontiguousarray(target.read((earlier, rows)).T)

        def subtract(columns: slice, earlier: slice = earlier, left: Array = left) -> None:
            inside = slice(columns.start - rows.start, columns.stop - rows.start)
            panel[:, inside] -= left @ target.read((earlier, columns))

        for _ in map_in_order(subtract, _spans(size, edge, rows.start), n_cores()):
            passes.advance()


def _finish(target: Source, panel: Array, rows: slice, damping: float, passes: Passes) -> float:
    """Factorise a panel's corner, solve for the rest, and write it; the corner's part of the log-determinant."""
    size, edge, height = target.shape[0], target.chunks[0], rows.stop - rows.start
    try:
        corner = cholesky(panel[:, :height], check_finite=False)
    except LinAlgError as error:
        raise InputError(
            f"{target.name}: not positive definite within rows {rows.start} to {rows.stop - 1} (damping {damping:g}). "
            "Use a larger damping: more than the magnitude of the most negative eigenvalue."
        ) from error
    panel[:, :height] = corner

    def solve(columns: slice) -> None:
        inside = slice(columns.start - rows.start, columns.stop - rows.start)
        if columns.start >= rows.stop:
            panel[:, inside] = solve_triangular(corner, panel[:, inside], trans="T", check_finite=False)
        target.array[rows, columns] = panel[:, inside]

    for _ in map_in_order(solve, _spans(size, edge, rows.start), n_cores()):
        passes.advance(-(-height // edge))
    return 2 * float(np.log(np.diag(corner)).sum())
