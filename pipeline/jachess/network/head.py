"""The head of a network: how an error function reads its outputs.

A network that ends in the output unit that belongs to its error function is cut at that unit's pre-activation. Other
outputs are pre-activations themselves; probabilities that would be taken for such are refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from jachess.errors import JobError
from jachess.network.error_functions import ERRORS, ErrorFunction, error_function
from jachess.network.evaluation import evaluate
from jachess.network.graph import Array, Network, Node
from jachess.network.operations import TABLE
from jachess.network.paths import cut_at
from jachess.network.weight_vector import unpack

_IN_ORDER = ("Identity", "Cast", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
"""Operations behind which the outputs are those of the unit, each at its place."""
_MOVES = {name for name, record in TABLE.items() if record.moves and name != "Concat"} | {"Clip"}
"""Operations behind which probabilities are still probabilities."""
_ADVICE = "Let the network end in its last pre-activations, or use sum-of-squares."


@dataclass(frozen=True)
class Head:
    """A network that ends in the pre-activations an error function starts from, and that error function.

    Attributes
    ----------
    network : Network
    error : ErrorFunction
    reading : str
        How E reads the outputs, for people.
    outer_product : bool
        Second derivatives are of the outer-product form Σ_n Jᵀ A J: those of E, but not the network's own.
    """

    network: Network
    error: ErrorFunction
    reading: str
    outer_product: bool = False

    def targets(self, targets: Array) -> Array:
        """Targets as (n, K)."""
        return self.error.prepare_targets(targets, self.network.n_outputs)


def error_head(network: Network, error: str) -> Head:
    """Cut ``network`` at the pre-activation of its output units, as far as ``error`` takes them over.

    Raises
    ------
    JobError
        If the error function is unknown, or does not go with the network's output units.
    """
    record = error_function(error)
    if not record.units:
        return Head(network, record, "E is computed from the outputs as they are")
    if record.classes and len(network.output_shape) != 1:
        raise JobError(
            f"error: {error} needs one axis of outputs (got {network.output_shape} a point). "
            "Choose sum-of-squares, or an output with one axis."
        )
    if record.classes and network.n_outputs == 1:
        raise JobError("error: cross-entropy of one class is always 0. Use binary-cross-entropy for one output.")
    producers = {name: node for node in network.nodes for name in node.outputs}
    last, values = _behind(network.output, producers, _IN_ORDER), _tried(network)
    if last is not None and last.operation in record.units and _over_outputs(last, network, values):
        cut = cut_at(network, last.inputs[0], network.output_shape)
        return Head(cut, record, f"the network ends in {last.operation}; E is computed from its pre-activation")
    two_classes = _logistic_pair(network, producers, last) if record.classes else None
    if two_classes is not None:
        return Head(two_classes, record, "the two class probabilities come from one logistic sigmoid unit")
    _refuse_probabilities(network, record, producers, values[network.output])
    return Head(network, record, f"the outputs are read as {'logits' if record.classes else 'log-odds'}")


def _behind(value: str, producers: Mapping[str, Node], operations: Collection[str]) -> Node | None:
    """The operation that makes a value, behind any of these ``operations``."""
    node = producers.get(value)
    while node is not None and node.operation in operations:
        node = producers.get(node.inputs[0])
    return node


def _tried(network: Network) -> dict[str, Array]:
    """All values for a few points."""
    random = np.random.default_rng(0)
    points = {
        i.name: random.normal(size=(4, *i.shape)) if i.dtype == "float64" else np.zeros((4, *i.shape), i.dtype)
        for i in network.inputs
    }
    return evaluate(network.nodes, {**network.constants, **unpack(network, network.w), **points})


def _over_outputs(unit: Node, network: Network, values: Mapping[str, Array]) -> bool:
    """Whether the unit makes all outputs, in one group if it is one of classes."""
    shape = values[unit.outputs[0]].shape
    whole = values[unit.outputs[0]].size == values[network.output].size
    return whole and (unit.operation == "Sigmoid" or shape[unit.attributes.get("axis", -1)] == network.n_outputs)


def _refuse_probabilities(
    network: Network, record: ErrorFunction, producers: Mapping[str, Node], outputs: Array
) -> None:
    """Outputs that are probabilities, in a form that is not recognised, must not be read as logits.

    Raises
    ------
    JobError
        If they are.
    """
    waiting, names = [network.output], {unit: e.name for e in ERRORS.values() for unit in e.units}
    while waiting:
        node = _behind(waiting.pop(), producers, _MOVES)
        if node is not None and node.operation == "Concat":
            waiting += node.inputs
        elif node is not None and node.operation in names:
            if names[node.operation] != record.name:
                raise JobError(
                    f"error: the network ends in {node.operation}, which does not go with {record.name}. "
                    f"Use {names[node.operation]} or sum-of-squares."
                )
            raise JobError(
                f"error: the outputs are some {node.operation} units, several groups of them, or in another order, and "
                f"{record.name} would read them as pre-activations. {_ADVICE}"
            )
    sums = outputs.reshape(len(outputs), -1).sum(axis=1)
    if network.n_outputs > 1 and outputs.min() >= 0 and np.abs(sums - 1).max() < 1e-6:
        raise JobError(
            f"error: the outputs are probabilities, but the network does not end in Softmax, and {record.name} would "
            f"read them as logits. {_ADVICE}"
        )


def _logistic_pair(network: Network, producers: dict[str, Node], last: Node | None) -> Network | None:
    """Outputs (1 - σ(a), σ(a)), as scikit-learn's exporter writes them, are the softmax of (0, a)."""
    if last is None or last.operation != "Concat" or len(last.inputs) != 2:
        return None
    complement, unit = producers.get(last.inputs[0]), producers.get(last.inputs[1])
    if complement is None or unit is None or (complement.operation, unit.operation) != ("Sub", "Sigmoid"):
        return None
    one = network.constants.get(complement.inputs[0])
    if one is None or not np.all(one == 1) or complement.inputs[1] != last.inputs[1]:
        return None
    a = unit.inputs[0]
    zero, pair = f"{a}/zero", f"{a}/pair"
    nodes = (Node("Sub", (a, a), (zero,)), Node("Concat", (zero, a), (pair,), {"axis": 1}))
    return cut_at(replace(network, nodes=network.nodes + nodes), pair, network.output_shape)
