"""Cuts of a network: values through which every path from the input to the output passes.

Between two cuts lies a segment with a Jacobian of its own; the whole Jacobian is the product of the segments'
(chain rule), which may be bracketed in any way. `cheapest` finds the bracketing with the fewest operations, as for a
chain of matrices (Griewank & Walther, Evaluating Derivatives: mixed accumulation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jachess.backprop.propagation import State
from jachess.network.graph import Network
from jachess.network.operations import TABLE
from jachess.network.paths import ancestors, descendants


@dataclass(frozen=True)
class Cut:
    """A value that all paths pass, and the segment that ends in it.

    Attributes
    ----------
    value : str
    width : int
        Elements of the value for each point.
    operations : float
        Multiplications that the segment costs each row or column of a point.
    node : int
        The node that makes the value; -1 for the network's input.
    elements : int
        Elements of the values that are made on the segment, for each point, and of what is made on the way.
    """

    value: str
    width: int
    operations: float
    node: int
    elements: int


@dataclass(frozen=True)
class Bracket:
    """How to compute the Jacobian from cut `start` to cut `end`.

    `how` is ``forward`` (columns through the segments), ``reverse`` (rows), or ``product`` of the Jacobians `behind`
    and `before` some cut between; with a `before`, ``forward`` goes on from it, ``reverse`` from a `behind`. `cost`
    counts multiplications for one point, `elements` those of the largest working array.
    """

    start: int
    end: int
    how: str
    cost: float
    elements: int
    before: Bracket | None = None
    behind: Bracket | None = None


def find_cuts(network: Network, state: State, pair: State) -> list[Cut]:
    """The cuts from the differentiated input to the output, both included, in topological order.

    Parameters
    ----------
    network : Network
    state, pair : State
        Of one point, and of two: so it shows which values have an axis of points in front.
    """
    active = descendants(network, [network.input]) & ancestors(network, [network.output])
    if network.input not in active:
        return []
    last_use = {name: i for i, node in enumerate(network.nodes) for name in node.inputs if name in active}
    last_use[network.output] = len(network.nodes)
    cuts = [Cut(network.input, network.n_inputs, 0.0, -1, 0)]
    live, operations, elements, working = {network.input}, 0.0, 0, 0
    for i, node in enumerate(network.nodes):
        made = [name for name in node.outputs if name in active]
        if not made:
            continue
        elements += sum(state.values[name].size for name in made)
        working = max(working, TABLE[node.operation].working(state.calls[i]))
        sizes = [state.values[name].size for name in node.inputs if name and name not in active]
        operations += sum(state.values[name].size for name in made) + sum(sizes)
        live = {name for name in live | set(made) if last_use.get(name, -1) > i}
        if len(live) == 1:
            (value,) = live
            array, two = state.values[value], pair.values[value]
            if value == cuts[-1].value or array.shape[:1] != (1,) or two.shape != (2, *array.shape[1:]):
                continue
            cuts.append(Cut(value, array.size, operations, i, elements + working))
            operations, elements, working = 0.0, 0, 0
    return cuts


def cheapest(cuts: Sequence[Cut], method: str) -> Bracket:
    """The bracketing of the whole chain with the fewest operations.

    Parameters
    ----------
    method : {"auto", "reverse", "forward", "mixed"}
        ``mixed`` multiplies or continues at least once, where there is a cut to do it at.
    """

    @cache
    def best(start: int, end: int) -> Bracket:
        return min(plain(start, end) + split(start, end), key=lambda bracket: bracket.cost)

    def through(start: int, end: int, rows: int) -> tuple[float, int]:
        """Operations and elements of so many rows, or columns, on their way."""
        way = cuts[start + 1 : end + 1]
        return rows * sum(cut.operations for cut in way), rows * max((cut.elements for cut in way), default=0)

    def plain(start: int, end: int) -> list[Bracket]:
        return [
            Bracket(start, end, "reverse", *through(start, end, cuts[end].width)),
            Bracket(start, end, "forward", *through(start, end, cuts[start].width)),
        ]

    def split(start: int, end: int) -> list[Bracket]:
        a, c, found = cuts[start].width, cuts[end].width, []
        for middle in range(start + 1, end):
            before, behind = best(start, middle), best(middle, end)
            (pushing, pushed), (pulling, pulled) = through(middle, end, a), through(start, middle, c)
            joined = before.cost + behind.cost + a * cuts[middle].width * c
            found += [
                Bracket(start, end, "product", joined, max(before.elements, behind.elements), before, behind),
                Bracket(start, end, "forward", before.cost + pushing, max(before.elements, pushed), before),
                Bracket(start, end, "reverse", behind.cost + pulling, max(behind.elements, pulled), None, behind),
            ]
        return found

    end, narrowest = len(cuts) - 1, min(cut.width for cut in cuts)
    if method == "auto" and narrowest in (cuts[0].width, cuts[-1].width):  # fewer rows cannot be carried anywhere
        method = "reverse" if narrowest == cuts[-1].width else "forward"
    if method in ("reverse", "forward"):
        return next(bracket for bracket in plain(0, end) if bracket.how == method)
    return min(split(0, end), key=lambda bracket: bracket.cost) if method == "mixed" and end > 1 else best(0, end)
