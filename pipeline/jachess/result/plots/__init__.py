"""Plots of a result, as functions for notebooks: each returns a matplotlib Figure. They need the extra ``report``."""

from jachess.result.plots.diagonal import plot_diagonal
from jachess.result.plots.hessian import plot_pair_norms, plot_picture, plot_spectrum
from jachess.result.plots.jacobian import (
    plot_directions,
    plot_rows,
    plot_sensitivity,
    plot_singular_values,
)

__all__ = [
    "plot_diagonal",
    "plot_directions",
    "plot_pair_norms",
    "plot_picture",
    "plot_rows",
    "plot_sensitivity",
    "plot_singular_values",
    "plot_spectrum",
]
