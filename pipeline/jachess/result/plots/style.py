"""What all plots share: figures, colours that colour-blind people tell apart, and images of inputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jachess.errors import InputError
from jachess.network.graph import Array

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
"""Of the palette of Okabe and Ito."""
MAGNITUDE, SIGNED = "viridis", "RdBu_r"
"""Maps of colours that also read in grey, or by those who do not see red and green apart."""
DECADES = 8
"""Powers of ten below the largest magnitude that a logarithmic map of colours shows."""


def figure(width: float, height: float) -> Any:
    """An empty figure of this size in inches.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("plots: need matplotlib. Install it: pip install 'jachess[report]'.") from error
    return Figure(figsize=(width, height), layout="constrained")


def logarithmic(values: Array) -> Any:
    """A logarithmic norm of colours for magnitudes, as many decades deep as there is something, at most `DECADES`."""
    from matplotlib.colors import LogNorm

    present = values[values > 0]
    top = float(present.max()) if len(present) else 1.0
    low = float(present.min()) if len(present) else top / 10
    return LogNorm(max(low, top * 10.0**-DECADES), top * (1 + 1e-9), clip=True)


def image_shape(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Height and width of images of this shape: (H, W), 1 or 3 channels of it, or flat with a square number of pixels.

    None if points of this shape are no images.
    """
    if len(shape) == 1:
        side = math.isqrt(shape[0])
        return (side, side) if side >= 6 and side * side == shape[0] else None
    if len(shape) == 2 and min(shape) >= 4:
        return shape[0], shape[1]
    if len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= 4:
        return shape[1], shape[2]
    return None


def as_image(row: Array, size: tuple[int, int]) -> Array:
    """A row of D numbers as an image; of several channels the number of the largest magnitude."""
    channels = row.reshape(-1, *size)
    place = np.abs(channels).argmax(axis=0)
    return np.asarray(np.take_along_axis(channels, place[None], axis=0)[0])


def show_image(axes: Any, image: Array, limit: float) -> Any:
    """A signed image, white where it is zero."""
    shown = axes.imshow(image, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    return shown
