"""From nodes and tensors to a network: what every way in has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jachess.errors import NetworkError
from jachess.network.assembly.expansion import expanded
from jachess.network.assembly.outputs import join_outputs, without_stacking
from jachess.network.assembly.probe import COUNTS, any_number, check_derivatives, check_points, probe, some_points
from jachess.network.assembly.weights import choose_weights
from jachess.network.evaluation import results
from jachess.network.graph import Array, Input, Network, Node, Weight

Choice = str | Sequence[str] | Callable[[str, Array], bool]
"""Which tensors are weights: "auto", their names, or a predicate of name and array."""


@dataclass(frozen=True)
class Parts:
    """What a network is made of.

    Attributes
    ----------
    nodes : sequence of Node
        In topological order; operations may be graphs of others.
    tensors : mapping of str to array
        In the order of the weight vector; floating ones as float64.
    inputs : sequence of Input
    input : str
        The one that is differentiated.
    outputs : sequence of str
        Several are flattened and joined.
    notes : list of str
        What was done to them so far.
    weights : sequence of str, optional
        Names of the tensors that are weights by default; left out where the source does not say.
    """

    nodes: Sequence[Node]
    tensors: Mapping[str, Array]
    inputs: Sequence[Input]
    input: str
    outputs: Sequence[str]
    notes: list[str] = field(default_factory=list)
    weights: Sequence[str] | None = None


def assemble(parts: Parts, weights: Choice = "auto") -> Network:
    """The network that these parts make.

    Raises
    ------
    NetworkError
        If an operation does not fit its inputs, has no derivative, or its points are not independent.
    """
    if parts.weights is not None and isinstance(weights, str) and weights == "auto":
        weights = parts.weights
    names = choose_weights(parts.nodes, parts.tensors, weights, [i.name for i in parts.inputs])
    notes = list(parts.notes)
    for name in names:
        if not np.isfinite(parts.tensors[name]).all():
            raise NetworkError(f"tensor '{name}': a weight is infinite. Such a network has no derivatives.")
    if len(parts.outputs) > 1:
        notes.append(f"{len(parts.outputs)} outputs joined: {', '.join(parts.outputs)}")
    nodes, output = join_outputs(parts.nodes, parts.outputs)
    with any_number():
        points = some_points(parts.inputs, COUNTS[0])
        nodes = expanded(nodes, {**parts.tensors, **points}, {*points, *names})
    constants = {name: array for name, array in parts.tensors.items() if name not in names}
    notes += _left_out(nodes, constants)
    nodes, constants = _folded(nodes, constants)
    leaves = {**constants, **{name: parts.tensors[name] for name in names}}
    nodes, output, more = without_stacking(nodes, output, constants, leaves, parts.inputs)
    tried = probe(nodes, leaves, parts.inputs)
    shape = check_points(tried, output)
    check_derivatives(
        nodes, tried[0], {*names, *(i.name for i in parts.inputs if i.name == parts.input and i.is_floating)}
    )
    used = {name for node in nodes for name in node.inputs} | {output}
    made, w = _weight_vector([name for name in names if name in used], parts.tensors)
    return Network(
        tuple(nodes),
        {name: array for name, array in constants.items() if name in used},
        made,
        w,
        tuple(i for i in parts.inputs if i.name in used or i.name == parts.input),
        parts.input,
        output,
        shape,
        tuple(notes + more),
    )


def _left_out(nodes: Sequence[Node], constants: Mapping[str, Array]) -> list[str]:
    used = {name for node in nodes for name in node.inputs}
    left = [name for name, array in constants.items() if name in used and array.dtype.kind == "f" and array.size > 1]
    return [f"read as constants, not as weights: {', '.join(left)} (name all weights to change that)"] if left else []


def _folded(nodes: Sequence[Node], constants: Mapping[str, Array]) -> tuple[list[Node], dict[str, Array]]:
    """Evaluate now what depends on constants alone."""
    known, left = dict(constants), []
    for node in nodes:
        if all(name in known for name in node.inputs if name):
            known.update(results(node, known))
        else:
            left.append(node)
    return left, known


def _weight_vector(names: Sequence[str], tensors: Mapping[str, Array]) -> tuple[tuple[Weight, ...], Array]:
    made, offset = [], 0
    for name in names:
        made.append(Weight(name, tensors[name].shape, offset))
        offset += made[-1].size
    w = np.concatenate([tensors[name].ravel() for name in names]) if names else np.zeros(0)
    w.setflags(write=False)
    return tuple(made), w
