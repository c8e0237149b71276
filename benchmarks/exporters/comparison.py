"""One exported file against its original."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

import jachess
from benchmarks.exporters.reference import READINGS, Array, Reference
from jachess.network.graph import Network

N_POINTS = 5


@dataclass(frozen=True)
class Comparison:
    """What came out.

    Attributes
    ----------
    difference : float
        The largest relative difference of outputs, Jacobians, gradients and Hessians, in the 2-norm.
    missed, foreign : tuple of str
        Tensors that hold parameters but are not taken for weights, and the reverse.
    folded : int
        Parameters of the original that no tensor of the file holds.
    """

    difference: float
    missed: tuple[str, ...]
    foreign: tuple[str, ...]
    folded: int


def compare(path: Path, references: list[Reference], points: list[Array], ends: str | None) -> Comparison:
    """Compare with the first reference whose parameters the file holds, with the weights that are such."""
    tensors = {t.name: numpy_helper.to_array(t).astype(np.float64) for t in onnx.load(path).graph.initializer
               if t.data_type in (1, 11)}  # fmt: skip
    auto = [weight.name for weight in jachess.read_network(path).weights]
    y = jachess.backprop.propagation.outputs(jachess.read_network(path), tuple(points))

    def likeness(reference: Reference) -> tuple[int, float]:
        n_held = sum(reference.places(tensors[name].ravel()) is not None for name in auto)
        return n_held, -distance(y.ravel(), reference.values(points).ravel())

    reference = max(references, key=likeness)
    held = [name for name, tensor in tensors.items() if reference.places(tensor.ravel()) is not None]
    net = jachess.read_network(path, weights=held)
    held = [weight.name for weight in net.weights]
    places = reference.places(net.w)
    assert places is not None
    reference.theta[places] = net.w  # what an exporter has folded is rounded
    differences = list(_differences(net, path, reference, places, points, ends))
    missed, foreign = (tuple(n for n in a if n not in b) for a, b in ((held, auto), (auto, held)))
    return Comparison(max(differences), missed, foreign, len(reference.theta) - len(set(places.tolist())))


def targets(ends: str | None, shape: tuple[int, ...]) -> Array:
    """Targets that every error function takes: each point's add up to 1."""
    t = np.random.default_rng(2).uniform(size=shape)
    return t / t.sum(1, keepdims=True) if shape[1] > 1 else t


def _differences(
    net: Network, path: Path, reference: Reference, places: Array, points: list[Array], ends: str | None
) -> Iterator[float]:
    inputs = [torch.from_numpy(array) for array in points]
    given: Any = points if len(points) > 1 else points[0]
    y = reference.values(points)
    yield distance(jachess.backprop.propagation.outputs(net, tuple(points)).reshape(y.shape), y)
    for slot, which in enumerate(net.inputs):
        if which.dtype == "float64":
            one = jachess.read_network(path, input=which.name)
            yield distance(jachess.jacobian(one, given), reference.jacobian(inputs, slot))
    t = targets(ends, y.shape)
    for reading in {None, ends}:
        name = READINGS[reading] or "sum-of-squares"
        gradient, hessian = reference.gradient_and_hessian(inputs, torch.from_numpy(t), reading)
        # A tensor may hold a parameter twice, or parameters of several: w = P θ, so that H_θ = Pᵀ H_w P.
        selection = np.zeros((net.n_weights, len(gradient)))
        selection[np.arange(net.n_weights), places] = 1
        chosen = np.unique(places)
        found = selection.T @ jachess.hessian(net, given, t, error=name) @ selection
        yield distance(found[np.ix_(chosen, chosen)], hessian[np.ix_(chosen, chosen)])
        found = selection.T @ jachess.gradient(net, given, t, error=name)
        yield distance(found[chosen], gradient[chosen])


def distance(found: Array, wanted: Array) -> float:
    """|found − wanted| / |wanted|; infinite if their shapes differ."""
    if found.shape != wanted.shape:
        return math.inf
    size = np.linalg.norm(wanted)
    return float(np.linalg.norm(found - wanted) / size) if size else float(np.linalg.norm(found))
