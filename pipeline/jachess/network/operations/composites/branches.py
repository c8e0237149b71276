"""If whose condition is the same for all points: the branch that it chooses, in its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jachess.network.graph import Node
from jachess.network.operations.composites.composite import Composite, Graph


@dataclass(frozen=True)
class Branch:
    """One branch: its nodes, which may use any value made before, and the names of its outputs."""

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def uses(self) -> set[str]:
        """Names of the values that its nodes read or that it passes on."""
        inner = {name for node in self.nodes for name in used(node)}
        return inner | set(self.outputs)


def used(node: Node) -> set[str]:
    """Names of the values that a node reads, those in its branches included."""
    branches = [value for value in node.attributes.values() if isinstance(value, Branch)]
    return {name for name in node.inputs if name}.union(*(branch.uses() for branch in branches))


def flattened(nodes: Iterable[Node]) -> list[Node]:
    """The nodes, each If followed by the nodes of both branches."""
    found = []
    for node in nodes:
        found.append(node)
        for value in node.attributes.values():
            found += flattened(value.nodes) if isinstance(value, Branch) else []
    return found


def _chosen(g: Graph) -> Sequence[str]:
    branch = g.call.attributes["then_branch" if bool(g.value(0).item()) else "else_branch"]
    assert isinstance(branch, Branch)
    g.insert(branch.nodes)
    return branch.outputs


IF = Composite("If", (1, 1), _chosen, {"then_branch": None, "else_branch": None}, static=(0,))
