"""Plots of Jacobians."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jachess.network.graph import Array
from jachess.result.jacobian import Jacobian
from jachess.result.plots.style import (
    BLUE,
    GREY,
    MAGNITUDE,
    ORANGE,
    as_image,
    figure,
    image_shape,
    show_image,
)

MOST_OUTPUTS = 12
MOST_COLUMNS = 1024
MOST_VALUES = 40


def plot_sensitivity(jacobian: Jacobian) -> Any:
    """The root-mean-square derivative of each output with respect to each input: a heat map, or an image an output.

    Of the derivatives with respect to the weights it is a heat map.
    """
    found, weights = jacobian.sensitivity().root_mean_square, jacobian.axes[2].of_weights
    size = None if weights else image_shape(jacobian.axes[2].shape)
    if size is not None:
        return _images(found, size)
    n_outputs, n_inputs = found.shape
    shown = _thinned(found)
    page = figure(9, 1.6 + min(6.0, 0.3 * n_outputs))
    axes = page.subplots()
    extent = (-0.5, n_inputs - 0.5, n_outputs - 0.5, -0.5)
    drawn = axes.imshow(shown, cmap=MAGNITUDE, aspect="auto", interpolation="nearest", extent=extent, vmin=0)
    page.colorbar(drawn, ax=axes, label=f"root mean square of ∂y/∂{'w' if weights else 'x'}")
    axes.set_xlabel("weight" if weights else "input")
    axes.set_ylabel("output")
    _whole_ticks(axes)
    return page


def _thinned(table: Array) -> Array:
    """A table with so many columns that they can be seen, each the largest of those it stands for."""
    step = -(-table.shape[1] // MOST_COLUMNS)
    starts = np.arange(0, table.shape[1], step)
    return np.asarray(np.maximum.reduceat(table, starts, axis=1))


def _whole_ticks(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, nbins=12))


def _images(found: Array, size: tuple[int, int]) -> Any:
    shown = found[:MOST_OUTPUTS]
    columns = min(len(shown), 5)
    rows = -(-len(shown) // columns)
    page = figure(1.8 * columns + 1, 1.9 * rows + 0.2)
    grid = page.subplots(rows, columns, squeeze=False)
    drawn = None
    for place, axes in enumerate(grid.ravel()):
        axes.set_axis_off()
        if place < len(shown):
            image = as_image(shown[place], size)
            drawn = axes.imshow(image, cmap=MAGNITUDE, vmin=0, vmax=found.max() or 1, interpolation="nearest")
            axes.set_title(f"output {place}", fontsize=10)
    page.colorbar(drawn, ax=grid, label="root mean square of ∂y/∂x", shrink=0.8)
    return page


def plot_rows(jacobian: Jacobian, points: Sequence[int] | None = None) -> Any:
    """Rows of the Jacobians of some points, as images where the inputs are images.

    Parameters
    ----------
    points : sequence of int, optional
        By default the points of the smallest, the median and the largest sensitivity.
    """
    chosen = list(points) if points is not None else typical_points(jacobian)
    outputs = range(min(jacobian.shape[1], 10))
    values = jacobian.sel(point=chosen, output=list(outputs)).values.astype(np.float64)
    size = image_shape(jacobian.axes[2].shape)
    if size is None:
        return _curves(values, chosen)
    page = figure(1.05 * len(outputs) + 1.4, 1.15 * len(chosen) + 0.4)
    grid = page.subplots(len(chosen), len(outputs), squeeze=False)
    for row, point in enumerate(chosen):
        limit = np.abs(values[row]).max() or 1.0
        for column, axes in enumerate(grid[row]):
            drawn = show_image(axes, as_image(values[row, column], size), limit)
            if row == 0:
                axes.set_title(f"output {column}", fontsize=9)
            if column == 0:
                axes.set_ylabel(f"point {point}", fontsize=9)
        page.colorbar(drawn, ax=grid[row], aspect=8, format="%.1g")
    return page


def typical_points(jacobian: Jacobian) -> list[int]:
    """The points whose Jacobians have the smallest, the median and the largest norm."""
    order = np.argsort(jacobian.singular_values(1)[:, 0])
    return [int(order[0]), int(order[len(order) // 2]), int(order[-1])]


def _curves(values: Array, points: Sequence[int]) -> Any:
    page = figure(9, 2.0 * len(points) + 0.3)
    for axes, rows, point in zip(page.subplots(len(points), 1, squeeze=False).ravel(), values, points, strict=True):
        limit = np.abs(rows).max() or 1.0
        drawn = axes.imshow(rows, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
        page.colorbar(drawn, ax=axes, format="%.1g")
        axes.set_title(f"point {point}", fontsize=10)
        axes.set_xlabel("input")
        axes.set_ylabel("output")
        _whole_ticks(axes)
    return page


def plot_singular_values(jacobian: Jacobian) -> Any:
    """How the singular values of the Jacobians spread over the points, and the largest, a local Lipschitz bound."""
    values = jacobian.singular_values(MOST_VALUES)
    floor = (values.max() or 1.0) * 1e-16
    low, quarter, middle, three, high = np.quantile(np.maximum(values, floor), [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    page = figure(9, 3.6)
    left, right = page.subplots(1, 2)
    number = np.arange(1, values.shape[1] + 1)
    left.fill_between(number, low, high, color=BLUE, alpha=0.2, linewidth=0, label="5 to 95 % of the points")
    left.fill_between(number, quarter, three, color=BLUE, alpha=0.4, linewidth=0, label="25 to 75 %")
    left.plot(number, middle, color=BLUE, marker="o", markersize=4, label="median")
    left.set_yscale("log")
    left.set_ylim(bottom=max(floor, 10.0 ** (np.log10(max(high.max(), floor)) - 10)))
    left.set_xlabel("number of the singular value")
    left.set_ylabel("singular value")
    left.legend(frameon=False, fontsize=9)
    largest = np.maximum(values[:, 0], floor)
    spread = largest.max() / largest.min() > 30
    bins = np.geomspace(largest.min(), largest.max(), 40) if spread else 40
    right.hist(largest, bins=bins, color=BLUE)
    right.set_xscale("log" if spread else "linear")
    right.axvline(float(np.median(largest)), color=ORANGE, linestyle="--", label=f"median {np.median(largest):.3g}")
    right.axvline(float(largest.max()), color=GREY, linestyle=":", label=f"largest {largest.max():.3g}")
    right.set_xlabel("largest singular value of a point")
    right.set_ylabel("points")
    right.legend(frameon=False, fontsize=9)
    return page


def plot_directions(jacobian: Jacobian, count: int = 5) -> Any:
    """Directions of the inputs along which the outputs change most, from the average of JᵀJ."""
    n_inputs = jacobian.shape[2]
    found = jacobian.active_subspace(min(max(count, 20), n_inputs))
    vectors, values = found.vectors[:, :count], np.maximum(found.values, 0)
    size = image_shape(jacobian.axes[2].shape)
    page = figure(9, 3.4)
    left, *others = page.subplots(1, 1 + (vectors.shape[1] if size else 1), width_ratios=_widths(vectors, size))
    total = values.sum() or 1.0
    left.bar(np.arange(1, len(values) + 1), values / total, color=BLUE)
    left.set_xlabel("direction")
    left.set_ylabel("share of the mean squared derivative")
    if size is None:
        for number, vector in enumerate(vectors.T[:3]):
            others[0].plot(vector, color=(BLUE, ORANGE, GREY)[number], label=f"direction {number + 1}", linewidth=1)
        others[0].legend(frameon=False, fontsize=9)
        others[0].set_xlabel("input")
        return page
    for number, axes in enumerate(others):
        image = as_image(vectors[:, number], size)
        show_image(axes, image, np.abs(image).max() or 1.0)
        axes.set_title(f"direction {number + 1}", fontsize=9)
    return page


def _widths(vectors: Array, size: tuple[int, int] | None) -> list[float]:
    return [1.6, *(1.0 for _ in range(vectors.shape[1]))] if size else [1.0, 1.5]
