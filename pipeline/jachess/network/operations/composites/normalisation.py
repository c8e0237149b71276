"""Normalisations: standardised along axes, then scaled and shifted by weights."""

from __future__ import annotations

import numpy as np

from jachess.errors import NetworkError
from jachess.network.operations.axes import from_end
from jachess.network.operations.composites.composite import Composite, Graph

EPSILON = float(np.float32(1e-5))


def _standardised(g: Graph, value: str, axes: tuple[int, ...], *, centred: bool = True) -> str:
    epsilon = g.call.attributes["epsilon"]
    return g.apply("Standardisation", value, axes=axes, centred=int(centred), epsilon=epsilon)


def _scaled(g: Graph, value: str, scale: str, shift: str) -> str:
    scaled = g.apply("Mul", value, scale) if scale else value
    return g.apply("Add", scaled, shift) if shift else scaled


def _channels(g: Graph, slot: int) -> str:
    """One number a channel, ready to be multiplied with what has channels on its second axis."""
    n_axes = g.value(0).ndim - 2
    return g.apply("Unsqueeze", g.input(slot), list(range(1, n_axes + 1))) if n_axes else g.input(slot)


def _last_axes(g: Graph) -> tuple[int, ...]:
    return tuple(range(from_end(g.call.attributes["axis"], g.value(0).ndim), 0))


def _layer(g: Graph) -> list[str]:
    axes = _last_axes(g)
    made = [_scaled(g, _standardised(g, g.input(0), axes), g.input(1), g.input(2))]
    if g.wants(1) or g.wants(2):
        mean = g.apply("ReduceMean", g.input(0), list(axes))
        centred = g.apply("Sub", g.input(0), mean)
        square = g.apply("ReduceMean", g.apply("Mul", centred, centred), list(axes))
        deviation = g.apply("Sqrt", g.apply("Add", square, g.call.attributes["epsilon"]))
        made += [mean, g.apply("Reciprocal", deviation)]
    return made


def _root_mean_square(g: Graph) -> list[str]:
    return [_scaled(g, _standardised(g, g.input(0), _last_axes(g), centred=False), g.input(1), "")]


def _instance(g: Graph) -> list[str]:
    axes = tuple(range(2 - g.value(0).ndim, 0))
    return [_scaled(g, _standardised(g, g.input(0), axes), _channels(g, 1), _channels(g, 2))]


def _group(g: Graph) -> list[str]:
    shape, n_groups = g.value(0).shape, int(g.call.attributes["num_groups"])
    if n_groups < 1 or shape[1] % n_groups:
        raise NetworkError(f"{n_groups} groups do not fit {shape[1]} channels")
    groups = g.apply("Reshape", g.input(0), [0, n_groups, -1])
    z = _standardised(g, groups, (-1,))
    if g.value(1).size == n_groups != shape[1]:  # before opset 21: one scale a group
        z = _scaled(g, z, *(g.apply("Unsqueeze", g.input(slot), [1]) for slot in (1, 2)))
        return [g.apply("Reshape", z, [0, *shape[1:]])]
    return [_scaled(g, g.apply("Reshape", z, [0, *shape[1:]]), _channels(g, 1), _channels(g, 2))]


def _batch(g: Graph) -> list[str]:
    """In evaluation mode: the running statistics are constants."""
    if g.call.attributes["training_mode"] or any(g.wants(slot) for slot in (1, 2, 3, 4)):
        raise NetworkError("it normalises over the points (training mode). Export the network in evaluation mode")
    mean, variance = _channels(g, 3), _channels(g, 4)
    deviation = g.apply("Sqrt", g.apply("Add", variance, g.call.attributes["epsilon"]))
    z = g.apply("Mul", g.apply("Sub", g.input(0), mean), g.apply("Reciprocal", deviation))
    return [_scaled(g, z, _channels(g, 1), _channels(g, 2))]


def _mean_variance(g: Graph) -> list[str]:
    axes = [int(axis) for axis in g.call.attributes["axes"]]
    centred = g.apply("Sub", g.input(0), g.apply("ReduceMean", g.input(0), axes))
    deviation = g.apply("Sqrt", g.apply("ReduceMean", g.apply("Mul", centred, centred), axes))
    return [g.apply("Div", centred, g.apply("Add", deviation, 1e-9))]


def _by_norm(g: Graph, norm: str, axis: int) -> str:
    """x/‖x‖, and 0 where all of x is 0."""
    size = g.apply(norm, g.apply("Abs", g.input(0)) if norm == "ReduceMax" else g.input(0), [axis])
    zero = g.apply("Equal", size, 0.0)
    return g.apply("Where", zero, 0.0, g.apply("Div", g.input(0), size))


def _lp(g: Graph) -> list[str]:
    norms = {1: "ReduceL1", 2: "ReduceL2"}
    if g.call.attributes["p"] not in norms:
        raise NetworkError(f"the norm p = {g.call.attributes['p']} is not supported (wanted 1 or 2)")
    return [_by_norm(g, norms[g.call.attributes["p"]], g.call.attributes["axis"])]


def _normalizer(g: Graph) -> list[str]:
    norms = {"MAX": "ReduceMax", "L1": "ReduceL1", "L2": "ReduceL2"}
    if g.call.attributes["norm"] not in norms:
        raise NetworkError(f"the norm '{g.call.attributes['norm']}' is not supported (wanted {', '.join(norms)})")
    return [_by_norm(g, norms[g.call.attributes["norm"]], 1)]


NORMALISATION = (
    Composite("LayerNormalization", (2, 3), _layer, {"axis": -1, "epsilon": EPSILON, "stash_type": 1}, (1, 2)),
    Composite("RMSNormalization", (2, 2), _root_mean_square, {"axis": -1, "epsilon": EPSILON, "stash_type": 1}, (1,)),
    Composite("InstanceNormalization", (3, 3), _instance, {"epsilon": EPSILON}, (1, 2)),
    Composite("GroupNormalization", (3, 3), _group, {"epsilon": EPSILON, "num_groups": 0, "stash_type": 1}, (1, 2)),
    Composite("BatchNormalization", (5, 5), _batch, {"epsilon": EPSILON, "momentum": 0.9, "training_mode": 0}, (1, 2)),
    Composite("MeanVarianceNormalization", (1, 1), _mean_variance, {"axes": (0, 2, 3)}),
    Composite("LpNormalization", (1, 1), _lp, {"axis": -1, "p": 2}),
    Composite("Normalizer", (1, 1), _normalizer, {"norm": "MAX"}, domain="ai.onnx.ml"),
)
