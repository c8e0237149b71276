"""A plot of diagonals of Hessians."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jachess.result.labelled import LabelledArray
from jachess.result.plots.style import BLUE, GREY, ORANGE, figure

DECADES = 4
"""Powers of ten below the largest magnitude at which the axis becomes linear."""


def plot_diagonal(diagonal: LabelledArray) -> Any:
    """How the diagonal elements of each weight tensor spread, on an axis that is linear about zero."""
    diagonal.require()
    values = diagonal[:].values.astype(np.float64)
    tensors = [(n, slice(o, o + math.prod(s))) for n, s, o in diagonal.axes[0].plan.weights if math.prod(s)]
    page = figure(9, 1.4 + 0.35 * len(tensors))
    axes = page.subplots()
    quantiles = np.array([np.quantile(values[span], [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]) for _, span in tensors])
    least, low, quarter, middle, three, high, most = quantiles.T
    place = np.arange(len(tensors))
    axes.hlines(place, low, high, color=BLUE, alpha=0.35, linewidth=6, label="5 to 95 % of the weights")
    axes.hlines(place, quarter, three, color=BLUE, linewidth=6, label="25 to 75 %")
    axes.plot(middle, place, "|", color=ORANGE, markersize=14, markeredgewidth=2, label="median")
    axes.plot(np.concatenate([least, most]), np.tile(place, 2), ".", color=GREY, label="least and largest")
    top = 10.0 ** np.ceil(np.log10(np.abs(values).max() or 1.0))
    axes.set_xscale("symlog", linthresh=top * 10.0**-DECADES)
    ticks = [0.0, *(sign * top * 10.0**-power for power in range(DECADES) for sign in (-1, 1))]
    left, right = axes.get_xlim()
    shown = sorted(tick for tick in ticks if left <= tick <= right)
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.axvline(0, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_yticks(place, [name if len(name) <= 28 else "…" + name[-27:] for name, _ in tensors], fontsize=9)
    axes.set_ylim(len(tensors) - 0.5, -0.5)
    axes.set_xlabel("diagonal element")
    page.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return page
