"""Cuts of a network: values through which every path from the input to the output passes.

Between two cuts lies a segment with a Jacobian of its own; the whole Jacobian is the product of the segments'
(chain rule), which may be bracketed in any way. `cheapest` finds the bracketing with the fewest operations, as for a
chain of matrices (Griewank & Walther, Evaluating Derivatives: mixed accumulation).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from jachess.backprop.propagation import State
from jachess.network.graph import Network
from jachess.network.paths import ancestors, descendants


@dataclass(frozen=True)
class Cut:
    """A value that all paths pass, its `width` per point, and the operations of the segment that ends in it."""

    value: str
    width: int
    operations: float


@dataclass(frozen=True)
class Bracket:
    """How to compute the Jacobian from cut `start` to cut `end`.

    `how` is ``forward`` (columns through the segments), ``reverse`` (rows), or ``product`` (of the Jacobians on either
    side of cut `middle`); with a `middle`, ``forward`` continues from the Jacobian before it, ``reverse`` from the one
    behind it. `cost` counts multiplications for one point.
    """

    start: int
    end: int
    how: str
    middle: int | None
    cost: float


def find_cuts(network: Network, state: State) -> list[Cut]:
    """The cuts from the differentiated input to the output, both included, in topological order."""
    active = descendants(network, [network.input]) & ancestors(network, [network.output])
    if network.input not in active:
        return []
    last_use = {name: i for i, node in enumerate(network.nodes) for name in node.inputs if name in active}
    last_use[network.output] = len(network.nodes)
    cuts = [Cut(network.input, network.n_inputs, 0.0)]
    live, operations = {network.input}, 0.0
    for i, node in enumerate(network.nodes):
        made = [name for name in node.outputs if name in active]
        if not made:
            continue
        sizes = [state.values[name].size for name in node.inputs if name and name not in active]
        operations += sum(state.values[name].size for name in made) / state.n_points + sum(sizes)
        live = {name for name in live | set(made) if last_use.get(name, -1) > i}
        if len(live) == 1:
            (value,) = live
            array = state.values[value]
            if value == cuts[-1].value or array.ndim == 0 or array.shape[0] != state.n_points:
                continue
            cuts.append(Cut(value, array.size // state.n_points, operations))
            operations = 0.0
    return cuts


def cheapest(cuts: list[Cut], method: str) -> Bracket:
    """The bracketing of the whole chain with the fewest operations.

    Parameters
    ----------
    method : {"auto", "reverse", "forward", "mixed"}
        ``mixed`` multiplies or continues at least once, where there is a cut to do it at.
    """
    end = len(cuts) - 1
    return (
        {bracket.how: bracket for bracket in _plain(cuts, 0, end)}[method]
        if method
        in (
            "forward",
            "reverse",
        )
        else _best(tuple(cuts), mixed=method == "mixed" and end > 1)
    )


def _plain(cuts: list[Cut] | tuple[Cut, ...], start: int, end: int) -> list[Bracket]:
    length = sum(cut.operations for cut in cuts[start + 1 : end + 1])
    return [
        Bracket(start, end, "reverse", None, cuts[end].width * length),
        Bracket(start, end, "forward", None, cuts[start].width * length),
    ]


def _best(cuts: tuple[Cut, ...], *, mixed: bool) -> Bracket:
    @cache
    def best(start: int, end: int) -> Bracket:
        return min(_plain(cuts, start, end) + split(start, end), key=lambda bracket: bracket.cost)

    def split(start: int, end: int) -> list[Bracket]:
        a, c = cuts[start].width, cuts[end].width
        found = []
        for middle in range(start + 1, end):
            before, behind = best(start, middle).cost, best(middle, end).cost
            first = sum(cut.operations for cut in cuts[start + 1 : middle + 1])
            second = sum(cut.operations for cut in cuts[middle + 1 : end + 1])
            found += [
                Bracket(start, end, "product", middle, before + behind + a * cuts[middle].width * c),
                Bracket(start, end, "forward", middle, before + a * second),
                Bracket(start, end, "reverse", middle, behind + c * first),
            ]
        return found

    end = len(cuts) - 1
    return min(split(0, end), key=lambda bracket: bracket.cost) if mixed else best(0, end)


def bracket_of(cuts: list[Cut], start: int, end: int) -> Bracket:
    """The cheapest way to compute the Jacobian between two of the cuts."""
    inner = cheapest([Cut(cuts[start].value, cuts[start].width, 0.0), *cuts[start + 1 : end + 1]], "auto")
    middle = None if inner.middle is None else inner.middle + start
    return Bracket(start, end, inner.how, middle, inner.cost)
