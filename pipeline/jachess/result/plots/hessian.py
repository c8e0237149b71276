"""Plots of Hessians, and of other symmetric matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from jachess.network.graph import Array
from jachess.result.density import Density
from jachess.result.matrix import TiledMatrix
from jachess.result.norms import block_maxima
from jachess.result.plots.style import BLUE, GREY, MAGNITUDE, ORANGE, figure, logarithmic
from jachess.result.symmetric import SymmetricMatrix

PIXELS = 480
LEAST_SHARE = 0.035
"""Share of the picture that the smallest tensor gets, so that it can be seen."""
FULL = 3000
"""Rows up to which the full spectrum is worth its time."""
MOST_RANKS = 40


def plot_picture(matrix: SymmetricMatrix) -> Any:
    """The matrix by weight tensors, each pixel the largest magnitude of what it stands for; small tensors enlarged."""
    names, groups, borders, places = _layout(matrix)
    magnitude = block_maxima(matrix, groups)
    page = figure(8.2, 7.2)
    axes = page.subplots()
    shown = np.ma.masked_less_equal(magnitude, 0)
    axes.set_facecolor("white")
    drawn = axes.pcolormesh(places, places, shown, cmap=MAGNITUDE, norm=logarithmic(magnitude), rasterized=True)
    page.colorbar(drawn, ax=axes, label="largest magnitude, by pixel", shrink=0.85)
    for border in borders[1:-1]:
        axes.axhline(border, color="white", linewidth=0.8)
        axes.axvline(border, color="white", linewidth=0.8)
    _name_tensors(axes, (borders[1:] + borders[:-1]) / 2, names)
    axes.set_xlim(0, 1)
    axes.set_ylim(1, 0)
    axes.set_aspect("equal")
    return page


def _layout(matrix: TiledMatrix) -> tuple[list[str], Array, Array, Array]:
    """Names of the tensors; where pixels begin in w; borders of the tensors and of the pixels in the picture."""
    tensors = [(name, span) for name, span in matrix.tensors if span.stop > span.start]
    sizes = np.array([span.stop - span.start for _, span in tensors])
    shares = np.maximum(sizes / sizes.sum(), min(LEAST_SHARE, 1 / len(sizes)))
    borders = np.concatenate([[0], np.cumsum(shares / shares.sum())])
    groups, places = [], []
    for (_, span), start, stop in zip(tensors, borders[:-1], borders[1:], strict=True):
        count = max(1, min(span.stop - span.start, round(PIXELS * (stop - start))))
        groups.append(np.linspace(span.start, span.stop, count, endpoint=False).astype(np.int64))
        places.append(np.linspace(start, stop, count, endpoint=False))
    return [name for name, _ in tensors], np.concatenate(groups), borders, np.concatenate([*places, [1.0]])


def _name_tensors(axes: Any, places: Array, names: list[str]) -> None:
    small = 9 if len(names) <= 12 else 6
    short = [name if len(name) <= 28 else "…" + name[-27:] for name in names]
    axes.set_xticks(places, short, rotation=45, ha="right", rotation_mode="anchor", fontsize=small)
    axes.set_yticks(places, short, fontsize=small)
    axes.tick_params(length=0)


def plot_pair_norms(matrix: SymmetricMatrix) -> Any:
    """The root mean square of the elements that each pair of weight tensors shares."""
    norms = matrix.pair_norms()
    sizes = np.array([span.stop - span.start for _, span in matrix.tensors if span.stop > span.start])
    typical = norms.frobenius / np.sqrt(sizes[:, None] * sizes[None, :])
    count = len(norms.tensors)
    page = figure(min(9.0, 3.6 + 0.7 * count), min(8.0, 2.4 + 0.6 * count))
    axes = page.subplots()
    norm = logarithmic(typical)
    drawn = axes.imshow(np.ma.masked_less_equal(typical, 0), cmap=MAGNITUDE, norm=norm)
    ticks = np.geomspace(max(norm.vmin, 1e-300), norm.vmax, 5)
    bar = page.colorbar(drawn, ax=axes, label="root mean square of the block", shrink=0.85)
    bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])
    bar.minorticks_off()
    _name_tensors(axes, np.arange(count), list(norms.tensors))
    if count <= 10:
        for i, j in np.ndindex(count, count):
            light = typical[i, j] > 0 and norm(typical[i, j]) > 0.6
            colour = "black" if light else "white" if typical[i, j] > 0 else "black"
            axes.text(j, i, f"{typical[i, j]:.2g}", ha="center", va="center", color=colour, fontsize=9)
    return page


def plot_spectrum(matrix: SymmetricMatrix, *, probes: int = 8, steps: int = 64) -> Any:
    """The density of the eigenvalues, and the largest of them.

    All eigenvalues where the matrix has at most `FULL` rows and fits the memory; the density by stochastic Lanczos
    always.
    """
    density = matrix.density(probes=probes, steps=steps)
    full = len(matrix) <= FULL and 16 * len(matrix) ** 2 < matrix.memory // 2
    exact = matrix.eigenvalues() if full else None
    top = exact if exact is not None else matrix.eigenpairs(min(20, len(matrix)), which="magnitude").values
    page = figure(9, 3.8)
    left, right = page.subplots(1, 2)
    _draw_density(left, density, exact)
    order = top[np.argsort(-np.abs(top))][:MOST_RANKS]
    rank = np.arange(1, len(order) + 1)
    for sign, colour, marker, name in ((1, BLUE, "o", "positive"), (-1, ORANGE, "v", "negative")):
        some = np.sign(order) == sign
        if some.any():
            right.plot(rank[some], np.abs(order[some]), marker, color=colour, markersize=5, label=name)
    right.set_yscale("log")
    right.set_xlabel("rank by magnitude")
    right.set_ylabel("magnitude of the eigenvalue")
    right.legend(frameon=False, fontsize=9)
    return page


def _draw_density(axes: Any, density: Density, exact: Array | None) -> None:
    """Densities over asinh(λ/s), which is linear about zero and logarithmic far from it."""
    largest = np.abs(density.nodes).max() or 1.0
    scale = largest * 1e-4
    nodes = np.arcsinh(density.nodes / scale)  # ascending for each probe
    low, high = nodes.min() - 0.6, nodes.max() + 0.6
    grid, width = np.linspace(low, high, 600), (high - low) / 90
    # a node stands for all eigenvalues nearer to it than to its neighbours: as wide is its bump
    gaps = np.diff(nodes, axis=1, prepend=nodes[:, :1], append=nodes[:, -1:])
    widths = np.maximum(width, (gaps[:, 1:] + gaps[:, :-1]) / 4).ravel()
    bumps = np.exp(-0.5 * ((grid[:, None] - nodes.ravel()) / widths) ** 2) / (np.sqrt(2 * np.pi) * widths)
    curve = bumps @ density.weights.ravel() / len(nodes)
    axes.plot(grid, curve, color=ORANGE, linewidth=1.5, label="stochastic Lanczos")
    top = curve.max()
    if exact is not None:
        bars, *_ = axes.hist(np.arcsinh(exact / scale), bins=90, range=(low, high), density=True, color=BLUE, alpha=0.5,
                             label=f"all {len(exact):,} eigenvalues")  # fmt: skip
        top = max(top, bars.max())
    axes.set_yscale("log")
    axes.set_ylim(0.3 / (max(density.size, 10) * width), 3 * top)
    ticks = [0.0, *(sign * 10.0 ** (np.floor(np.log10(largest)) - power) for power in range(4) for sign in (-1, 1))]
    ticks = sorted(tick for tick in ticks if low <= np.arcsinh(tick / scale) <= high)
    axes.set_xticks(np.arcsinh(np.array(ticks) / scale), [f"{tick:g}" for tick in ticks], fontsize=9)
    axes.axvline(0, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xlabel("eigenvalue")
    axes.set_ylabel("density")
    axes.legend(frameon=False, fontsize=9)
