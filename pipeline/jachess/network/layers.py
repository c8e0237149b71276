"""Layers: where weights enter the network through a linear operation.

A weight that enters as a_j = Σ_i w_ji z_i (bias: z_0 = 1) lets a whole block of the Hessian be computed from a
perturbation of the pre-activation a_j, which all inputs i of unit j share. This module finds such places. Weights
that enter in any other way (slopes, gains, …) are left to the R-operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jachess.network.evaluation import call_of
from jachess.network.graph import Array, Network, Node, Weight
from jachess.network.operations import TABLE
from jachess.network.operations.record import PointAxis
from jachess.network.point_axes import point_axes
from jachess.network.weight_vector import unpack

Indices = NDArray[np.int64]

CONSTANT = -1
"""Index of an element that is no weight."""


@dataclass(frozen=True)
class Layer:
    """Units with pre-activations a (n, M), and the weights that enter them linearly.

    Attributes
    ----------
    pre_activation : str
        The value a.
    order : int
        Place of a in the topological order.
    inputs : tuple of (str, int)
        The values z (n, I) that feed the units, with their widths I; the name ``""`` is the bias's z_0 = 1.
    indices : int array (ΣI, M)
        Place in w of the weight from each input into each unit; CONSTANT where that is no weight.
    """

    pre_activation: str
    order: int
    inputs: tuple[tuple[str, int], ...]
    indices: Indices

    @property
    def n_weights(self) -> int:
        """Weights that enter the layer, each as often as it does."""
        return int((self.indices != CONSTANT).sum())


@dataclass(frozen=True)
class _Use:
    """One linear use of weights: ``indices`` (I, M) from the value ``source`` into the value ``target``."""

    source: str
    target: str
    indices: Indices


def find_layers(network: Network) -> tuple[tuple[Layer, ...], tuple[Weight, ...]]:
    """The layers of a network in topological order, and the weight tensors that enter in some other way."""
    axes = point_axes(network).items()
    shapes = {name: shape[1] for name, (axis, shape) in axes if axis == PointAxis(0) and len(shape) == 2}
    moved, movers = moved_weights(network)
    uses: list[_Use] = []
    other: set[int] = set()
    for number, node in enumerate(network.nodes):
        if number in movers:
            continue
        for slot, name in enumerate(node.inputs):
            if name in moved:
                use = _linear_use(node, slot, moved[name], shapes)
                uses += [use] if use else []
                other |= set() if use else set(moved[name].ravel().tolist())
    general = tuple(w for w in network.weights if any(w.offset <= i < w.offset + w.size for i in other))
    layers = _gather(network, uses, general, shapes)
    return layers, general


def labels(network: Network) -> tuple[list[str], Indices, Indices]:
    """Tensor name, output unit and input of each weight (input −1 for a bias), each of length W.

    Tensors that enter no layer are labelled by their own axes: the first is the unit, the rest the input.
    """
    names = [weight.name for weight in network.weights for _ in range(weight.size)]
    units = np.zeros(network.n_weights, np.int64)
    inputs = np.full(network.n_weights, -1, np.int64)
    for weight in network.weights:
        if weight.shape:
            rest = weight.size // max(weight.shape[0], 1)
            units[weight.slice] = np.repeat(np.arange(weight.shape[0]), rest)
            if len(weight.shape) > 1:
                inputs[weight.slice] = np.tile(np.arange(rest), weight.shape[0])
    for layer in reversed(find_layers(network)[0]):  # of several uses the first gives the label
        start = 0
        for source, width in layer.inputs:
            part = layer.indices[start : start + width]
            start += width
            i, j = np.nonzero(part != CONSTANT)
            units[part[i, j]] = j
            inputs[part[i, j]] = i if source else -1
    return names, units, inputs


def moved_weights(network: Network) -> tuple[dict[str, Indices], set[int]]:
    """Values whose elements are weights at other places, as indices into w; and the nodes that move them."""
    moved = unpack(network, np.arange(network.n_weights, dtype=np.int64))
    movers = set()
    for number, node in enumerate(network.nodes):
        if not TABLE[node.operation].moves or not any(name in moved for name in node.inputs):
            continue
        known: Mapping[str, Array] = {
            **{name: np.full(c.shape, CONSTANT) if c.dtype.kind == "f" else c for name, c in network.constants.items()},
            **moved,
        }
        if all(name in known for name in node.inputs if name):
            results = TABLE[node.operation].forward(call_of(node, known))
            moved.update({name: np.asarray(r).astype(np.int64) for name, r in zip(node.outputs, results, strict=False)})
            movers.add(number)
    return moved, movers


def _linear_use(node: Node, slot: int, indices: Indices, shapes: Mapping[str, int]) -> _Use | None:
    """The use of weights in this slot, if a_j = Σ_i w_ji z_i there; else None."""
    target, attributes = node.outputs[0], node.attributes
    weights = indices[indices != CONSTANT]
    if target not in shapes or len(np.unique(weights)) != len(weights):
        return None
    if node.operation in ("Gemm", "MatMul") and slot == 1 and indices.ndim == 2:
        plain = not attributes.get("transA") and attributes.get("alpha", 1.0) == 1.0
        if plain and node.inputs[0] in shapes:
            return _Use(node.inputs[0], target, indices.T if attributes.get("transB") else indices)
    is_bias = (node.operation == "Gemm" and slot == 2 and attributes.get("beta", 1.0) == 1.0) or (
        node.operation == "Add" and node.inputs[0] != node.inputs[1] and node.inputs[1 - slot] in shapes
    )
    if is_bias and indices.shape in ((shapes[target],), (1, shapes[target])):
        return _Use("", target, indices.reshape(1, -1))
    return None


def _gather(
    network: Network, uses: list[_Use], general: tuple[Weight, ...], shapes: Mapping[str, int]
) -> tuple[Layer, ...]:
    """Join the uses that end in one pre-activation, as long as no weight is in a layer twice."""
    order = {name: number for number, node in enumerate(network.nodes) for name in node.outputs}
    layers: list[list[_Use]] = []
    for use in uses:
        indices = use.indices.copy()
        for weight in general:
            indices[(indices >= weight.offset) & (indices < weight.offset + weight.size)] = CONSTANT
        if (indices == CONSTANT).all():
            continue
        use = _Use(use.source, _pre_activation(network, use.target, shapes), indices)
        for layer in layers:
            taken = np.concatenate([other.indices.ravel() for other in layer])
            if layer[0].target == use.target and not np.isin(indices[indices != CONSTANT], taken).any():
                layer.append(use)
                break
        else:
            layers.append([use])
    found = [
        Layer(
            layer[0].target,
            order[layer[0].target],
            tuple((use.source, len(use.indices)) for use in layer),
            np.concatenate([use.indices for use in layer]),
        )
        for layer in layers
    ]
    return tuple(sorted(found, key=lambda layer: layer.order))


def _pre_activation(network: Network, name: str, shapes: Mapping[str, int]) -> str:
    """Follow a sum to its end: what is only added to something has that sum's δ, so they are one layer."""
    while name != network.output:
        consumers = [node for node in network.nodes if name in node.inputs]
        if len(consumers) != 1 or consumers[0].operation != "Add" or consumers[0].inputs.count(name) != 1:
            break
        total = consumers[0].outputs[0]
        if shapes.get(total) != shapes[name]:
            break
        name = total
    return name
