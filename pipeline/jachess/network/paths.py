"""Which values lie on which paths through the graph."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from jachess.network.graph import Network


def descendants(network: Network, values: Collection[str]) -> set[str]:
    """All values that depend on any of ``values``, these included."""
    reached = set(values)
    for node in network.nodes:
        if not reached.isdisjoint(node.inputs):
            reached.update(node.outputs)
    return reached


def ancestors(network: Network, values: Collection[str]) -> set[str]:
    """All values on which any of ``values`` depends, these included."""
    reached = set(values)
    for node in reversed(network.nodes):
        if not reached.isdisjoint(node.outputs):
            reached.update(name for name in node.inputs if name)
    return reached


def cut_at(network: Network, output: str, output_shape: tuple[int, ...]) -> Network:
    """The same network, ending in the value ``output``; what does not feed it is left out.

    The weight vector stays whole: a weight that no longer feeds the output has derivatives of zero.
    """
    needed = ancestors(network, [output])
    nodes = tuple(node for node in network.nodes if not needed.isdisjoint(node.outputs))
    return replace(network, nodes=nodes, output=output, output_shape=output_shape)
