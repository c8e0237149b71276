"""Linear models of scikit-learn, as its exporter writes them for points of type float: weights in attributes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from jachess.errors import NetworkError
from jachess.network.graph import Array, Node
from jachess.network.operations import COMPOSITES
from jachess.network.operations.composites.branches import used


def with_parameters(
    nodes: Sequence[Node], tensors: dict[str, Array], outputs: Collection[str]
) -> tuple[list[Node], dict[str, Array]]:
    """Nodes with weights in their attributes, as scikit-learn's linear models have them, read tensors instead.

    Of their outputs those are left that are used: labels of classes mostly are not.

    Raises
    ------
    NetworkError
        If what the attributes hold does not fit together.
    """
    found, more, read = list(nodes), dict(tensors), {*outputs}.union(*map(used, nodes))
    for place, node in enumerate(nodes):
        record = COMPOSITES.get(node.operation)
        if record is not None and record.parameters is not None:
            try:
                given = record.parameters({**record.attributes, **node.attributes})
            except NetworkError as error:
                raise NetworkError(f"{node}: {error}.") from error
            named = {f"{node.name or node.outputs[-1]}.{key}": array for key, array in given.items()}
            if more.keys().isdisjoint(named):
                left = tuple(name if name in read else "" for name in node.outputs)
                found[place] = replace(node, inputs=(node.inputs[0], *named), outputs=left)
                more |= named
    return found, more


def without_renormalising(nodes: Sequence[Node]) -> list[Node]:
    """Leave out the division of probabilities by their sum, which is 1, behind a LinearClassifier that ends in Softmax.

    Error functions take over from a Softmax at the end, but know nothing of what comes behind it.
    """
    softmax = {
        name
        for node in nodes
        if node.operation == "LinearClassifier" and node.attributes.get("post_transform") == "SOFTMAX"
        for name in node.outputs[1:]
    }
    return [
        Node("Identity", node.inputs, node.outputs, {}, node.name)
        if node.operation == "Normalizer" and node.attributes.get("norm") == "L1" and node.inputs[0] in softmax
        else node
        for node in nodes
    ]
