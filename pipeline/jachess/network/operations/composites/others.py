"""Operations that are a few others in a row."""

from __future__ import annotations

import math

import numpy as np

from jachess.errors import NetworkError
from jachess.network.operations.composites.composite import Composite, Graph


def _spatial(g: Graph) -> list[int]:
    return list(range(2, g.value(0).ndim))


def _lp_pool(g: Graph) -> list[str]:
    p, kernel = int(g.call.attributes["p"]), g.call.attributes["kernel_shape"]
    geometry = {name: value for name, value in g.call.attributes.items() if name != "p"}
    mean = g.apply("AveragePool", _power(g, p), count_include_pad=1, **geometry)
    return [_root(g, g.apply("Mul", mean, float(math.prod(kernel))), p)]


def _global_lp_pool(g: Graph) -> list[str]:
    p = int(g.call.attributes["p"])
    return [_root(g, g.apply("ReduceSum", _power(g, p), _spatial(g)), p)]


def _power(g: Graph, p: int) -> str:
    base = g.input(0) if p % 2 == 0 else g.apply("Abs", g.input(0))
    return base if p == 1 else g.apply("Pow", base, np.array(p))


def _root(g: Graph, value: str, p: int) -> str:
    return value if p == 1 else g.apply("Pow", value, 1.0 / p)


def _response_normalisation(g: Graph) -> list[str]:
    """x/(bias + α mean of the squares of neighbouring channels)^β."""
    at, size = g.call.attributes, int(g.call.attributes["size"])
    square = g.apply("Unsqueeze", g.apply("Mul", g.input(0), g.input(0)), [1])  # channels as the first spatial axis
    n_axes = g.value(0).ndim - 1
    pads = ((size - 1) // 2, *(0,) * (n_axes - 1), size // 2, *(0,) * (n_axes - 1))
    mean = g.apply("AveragePool", square, kernel_shape=(size, *(1,) * (n_axes - 1)), pads=pads, count_include_pad=1)
    base = g.apply("Add", g.apply("Mul", g.apply("Squeeze", mean, [1]), float(at["alpha"])), float(at["bias"]))
    return [g.apply("Div", g.input(0), g.apply("Pow", base, float(at["beta"])))]


def _apart(g: Graph) -> tuple[int, int, int, int]:
    """Side of a block; channels, height and width."""
    if g.value(0).ndim != 4:
        raise NetworkError(f"it needs images (wanted 4 axes; got {g.value(0).shape})")
    return int(g.call.attributes["blocksize"]), *g.value(0).shape[1:]


def _depth_to_space(g: Graph) -> list[str]:
    side, channels, height, width = _apart(g)
    rest = channels // side**2
    if g.call.attributes["mode"] == "CRD":
        shape, perm = [0, rest, side, side, height, width], (0, 1, 4, 2, 5, 3)
    else:
        shape, perm = [0, side, side, rest, height, width], (0, 3, 4, 1, 5, 2)
    turned = g.apply("Transpose", g.apply("Reshape", g.input(0), shape), perm=perm)
    return [g.apply("Reshape", turned, [0, rest, height * side, width * side])]


def _space_to_depth(g: Graph) -> list[str]:
    side, channels, height, width = _apart(g)
    shape = [0, channels, height // side, side, width // side, side]
    perm = (0, 1, 3, 5, 2, 4) if g.call.attributes["mode"] == "CRD" else (0, 3, 5, 1, 2, 4)
    turned = g.apply("Transpose", g.apply("Reshape", g.input(0), shape), perm=perm)
    return [g.apply("Reshape", turned, [0, channels * side**2, height // side, width // side])]


def _triangle(g: Graph) -> list[str]:
    offset = int(g.value(1).item()) if g.input(1) else 0
    kept = np.tri(
        g.value(0).shape[-2], g.value(0).shape[-1], k=offset - 1 if g.call.attributes["upper"] else offset, dtype=bool
    )
    if g.call.attributes["upper"]:
        kept = ~kept
    zero = np.zeros((), g.value(0).dtype)
    return [g.apply("Where", kept, g.input(0), zero)]


def _running_sum(g: Graph) -> list[str]:
    """Sums from the first element on, as a product with a triangle of ones."""
    axis, size = int(g.value(1).item()), 0
    axis, size = axis % g.value(0).ndim, g.value(0).shape[axis]
    ones = np.tri(size, k=-1 if g.call.attributes["exclusive"] else 0).T
    ones = ones.T if g.call.attributes["reverse"] else ones
    order = [i for i in range(g.value(0).ndim) if i != axis]
    last = g.apply("Transpose", g.input(0), perm=(*order, axis))
    back = tuple(int(i) for i in np.argsort([*order, axis]))
    return [g.apply("Transpose", g.apply("MatMul", last, ones), perm=back)]


def _swiglu(g: Graph) -> list[str]:
    return [g.apply("Mul", g.apply("Swish", g.input(0), alpha=g.call.attributes["alpha"]), g.input(1))]


_POOL = {"auto_pad": "NOTSET", "ceil_mode": 0, "dilations": None, "kernel_shape": None, "pads": None, "strides": None}
_REDUCE = {"axes": None, "keepdims": 1, "noop_with_empty_axes": 0}


def _log_of_sum(g: Graph) -> list[str]:
    axes = [g.input(1)] if g.input(1) else []
    return [g.apply("Log", g.apply("ReduceSum", g.input(0), *axes, **g.call.attributes))]


def _hardest(g: Graph) -> list[str]:
    """1 at the first maximum, 0 elsewhere."""
    axis = int(g.call.attributes["axis"])
    place = g.apply("ArgMax", g.input(0), axis=axis)
    numbers = np.arange(g.value(0).shape[axis]).reshape(
        -1, *(1,) * ((g.value(0).ndim - 1 - axis) if axis >= 0 else -axis - 1)
    )
    return [g.apply("Where", g.apply("Equal", place, numbers), 1.0, 0.0)]


def _features(g: Graph) -> list[str]:
    """Some elements of the last axis."""
    taken = g.apply("Gather", g.input(0), g.apply("Reshape", g.input(1), [-1]), axis=-1)
    return [g.apply("Reshape", taken, [1, -1]) if g.value(0).ndim == 1 else taken]


OTHERS = (
    Composite("Hardmax", (1, 1), _hardest, {"axis": -1}),
    Composite("ArrayFeatureExtractor", (2, 2), _features, domain="ai.onnx.ml"),
    Composite("GlobalAveragePool", (1, 1), lambda g: [g.apply("ReduceMean", g.input(0), _spatial(g))]),
    Composite("GlobalMaxPool", (1, 1), lambda g: [g.apply("ReduceMax", g.input(0), _spatial(g))]),
    Composite("GlobalLpPool", (1, 1), _global_lp_pool, {"p": 2}),
    Composite("LpPool", (1, 1), _lp_pool, {**_POOL, "p": 2}),
    Composite(
        "LRN", (1, 1), _response_normalisation, {"alpha": float(np.float32(1e-4)), "beta": 0.75, "bias": 1.0, "size": 1}
    ),
    Composite("DepthToSpace", (1, 1), _depth_to_space, {"blocksize": 1, "mode": "DCR"}),
    Composite("SpaceToDepth", (1, 1), _space_to_depth, {"blocksize": 1, "mode": "DCR"}),
    Composite("ReduceLogSum", (1, 2), _log_of_sum, _REDUCE),
    Composite("SwiGLU", (2, 2), _swiglu, {"alpha": 1.0}),
    Composite("Trilu", (1, 2), _triangle, {"upper": 1}, static=(1,)),
    Composite("CumSum", (2, 2), _running_sum, {"exclusive": 0, "reverse": 0}, static=(1,)),
)
