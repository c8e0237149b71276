"""RNN, GRU and LSTM, spelled out step by step: the same weights feed the units of every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.operations.composites.composite import Composite, Graph

_ALPHA = {"affine": 1.0, "elu": 1.0, "hardsigmoid": float(np.float32(0.2)), "leakyrelu": float(np.float32(0.01)),
          "scaledtanh": 1.0, "thresholdedrelu": 1.0}  # fmt: skip
_BETA = {"affine": 0.0, "hardsigmoid": 0.5, "scaledtanh": 1.0}
_PLAIN = {"relu": "Relu", "sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign", "tanh": "Tanh"}

Activation = Callable[[str], str]


@dataclass(frozen=True)
class _Weights:
    """The weights of one direction: of the inputs, of the hidden units, both biases, and the peepholes."""

    w: str
    r: str
    wb: str
    rb: str
    p: str


State = tuple[str, ...]
Step = Callable[[str, State], State]
"""The next state (h, …) from the inputs of one step and the state before it."""
Cell = Callable[[Graph, _Weights, list[Activation]], Step]


def _recurrent(n_states: int, default: tuple[str, ...], cell: Cell) -> Callable[[Graph], list[str]]:
    def write(g: Graph) -> list[str]:
        turned = g.call.attributes["layout"]
        x = g.apply("Transpose", g.input(0), perm=(1, 0, 2)) if turned else g.input(0)
        steps = [g.apply("Gather", x, np.array(t), axis=0) for t in range(g.value(0).shape[1 if turned else 0])]
        directions = _directions(g)
        whole, last = [], []
        for number, backward in enumerate(directions):
            step = cell(g, _weights(g, number), _activations(g, default, number))
            state, seen = _initial(g, number, n_states, steps[0]), {}
            for t in sorted(range(len(steps)), reverse=backward):
                state, seen[t] = _masked(g, t, state, step(steps[t], state))
            whole.append([seen[t] for t in range(len(steps))])
            last.append(state)
        return [_stacked(g, whole, turned), *(_joined(g, [s[i] for s in last], turned, i) for i in range(n_states))]

    return write


def _directions(g: Graph) -> list[bool]:
    """Whether each direction runs backward."""
    names = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
    found = names.get(g.call.attributes["direction"])
    if found is None or g.value(1).shape[0] != len(found):
        raise NetworkError(f"its direction '{g.call.attributes['direction']}' does not fit its weights")
    return found


def _weights(g: Graph, number: int) -> _Weights:
    w, r = (g.apply("Gather", g.input(slot), np.array(number), axis=0) for slot in (1, 2))
    wb = rb = p = ""
    if g.input(3):
        wb, rb = g.split("Split", g.apply("Gather", g.input(3), np.array(number), axis=0), n_outputs=2, num_outputs=2)
    if g.input(7):
        p = g.apply("Gather", g.input(7), np.array(number), axis=0)
    return _Weights(w, r, wb, rb, p)


def _initial(g: Graph, number: int, n_states: int, step: str) -> State:
    """The state before the first step, zeros where none is given."""
    found = []
    for slot in range(5, 5 + n_states):
        if g.input(slot):
            found.append(
                g.apply("Gather", g.input(slot), np.array(number), axis=1 if g.call.attributes["layout"] else 0)
            )
        else:
            shape = g.apply("Concat", g.apply("Shape", step, start=0, end=1), [g.value(2).shape[-1]], axis=0)
            found.append(g.apply("Expand", np.array(0.0), shape))
    return tuple(found)


def _masked(g: Graph, t: int, before: State, after: State) -> tuple[State, str]:
    """The state, and the output of step t: behind the end of a sequence the state stays, and the output is 0."""
    if not g.input(4):
        return after, after[0]
    alive = g.apply("Unsqueeze", g.apply("Greater", g.input(4), np.array(t, g.value(4).dtype)), [1])
    state = tuple(g.apply("Where", alive, new, old) for new, old in zip(after, before, strict=True))
    return state, g.apply("Where", alive, after[0], 0.0)


def _stacked(g: Graph, outputs: list[list[str]], turned: bool) -> str:
    """Outputs of all directions and steps as one array (steps, directions, points, units)."""
    if not g.wants(0):
        return ""
    each = [g.apply("Concat", *(g.apply("Unsqueeze", h, [0, 1]) for h in steps), axis=0) for steps in outputs]
    y = g.apply("Concat", *each, axis=1) if len(each) > 1 else each[0]
    return g.apply("Transpose", y, perm=(2, 0, 1, 3)) if turned else y


def _joined(g: Graph, states: list[str], turned: bool, number: int) -> str:
    """Last states of all directions as one array (directions, points, units)."""
    if not g.wants(1 + number):
        return ""
    y = g.apply("Concat", *(g.apply("Unsqueeze", h, [0]) for h in states), axis=0)
    return g.apply("Transpose", y, perm=(1, 0, 2)) if turned else y


def _activations(g: Graph, default: tuple[str, ...], number: int) -> list[Activation]:
    """The activation functions of one direction; their alphas and betas are listed for those alone that have any."""
    given = g.call.attributes["activations"] or default * len(_directions(g))
    alphas, betas = (list(g.call.attributes[name] or ()) for name in ("activation_alpha", "activation_beta"))
    found: list[Activation] = []
    for name in (str(each).lower() for each in given):
        alpha = alphas.pop(0) if name in _ALPHA and alphas else _ALPHA.get(name, 1.0)
        beta = betas.pop(0) if name in _BETA and betas else _BETA.get(name, 0.0)
        found.append(_activation(g, name, alpha, beta))
    return found[number * len(default) : (number + 1) * len(default)]


def _activation(g: Graph, name: str, alpha: float, beta: float) -> Activation:
    clip = g.call.attributes["clip"]

    def clipped(a: str) -> str:
        return g.apply("Clip", a, np.array(-clip), np.array(clip)) if clip else a

    if name in _PLAIN:
        return lambda a: g.apply(_PLAIN[name], clipped(a))
    if name == "affine":
        return lambda a: g.apply("Add", g.apply("Mul", clipped(a), alpha), beta)
    if name == "scaledtanh":
        return lambda a: g.apply("Mul", g.apply("Tanh", g.apply("Mul", clipped(a), beta)), alpha)
    if name == "hardsigmoid":
        return lambda a: g.apply("HardSigmoid", clipped(a), alpha=alpha, beta=beta)
    others = {"elu": "Elu", "leakyrelu": "LeakyRelu", "thresholdedrelu": "ThresholdedRelu"}
    if name in others:
        return lambda a: g.apply(others[name], clipped(a), alpha=alpha)
    raise NetworkError(f"its activation '{name}' is not supported")


def _linear(g: Graph, z: str, matrix: str, bias: str) -> str:
    return g.apply("Gemm", z, matrix, *([bias] if bias else []), transB=1)


def _parts(g: Graph, values: tuple[str, ...], sizes: list[int]) -> list[list[str]]:
    """Tensors cut along their first axis into parts of so many gates' units; "" stays "" in all parts."""
    cut = [
        g.split("Split", value, [size * g.value(2).shape[-1] for size in sizes], n_outputs=len(sizes), axis=0)
        if value
        else [""] * len(sizes)
        for value in values
    ]
    return [list(part) for part in zip(*cut, strict=True)]


def _simple(g: Graph, weights: _Weights, functions: list[Activation]) -> Step:
    (f,) = functions

    def step(x: str, state: State) -> State:
        (h,) = state
        return (f(g.apply("Add", _linear(g, x, weights.w, weights.wb), _linear(g, h, weights.r, weights.rb))),)

    return step


def _gru(g: Graph, weights: _Weights, functions: list[Activation]) -> Step:
    (f, act), before = functions, g.call.attributes["linear_before_reset"]
    (w, r, wb, rb), (w_h, r_h, wb_h, rb_h) = _parts(g, (weights.w, weights.r, weights.wb, weights.rb), [2, 1])

    def step(x: str, state: State) -> State:
        (h,) = state
        gates = g.apply("Add", _linear(g, x, w, wb), _linear(g, h, r, rb))
        z, reset = (f(a) for a in g.split("Split", gates, n_outputs=2, axis=1, num_outputs=2))
        if before:
            recurrent = g.apply("Mul", reset, _linear(g, h, r_h, rb_h))
        else:
            recurrent = _linear(g, g.apply("Mul", reset, h), r_h, rb_h)
        new = act(g.apply("Add", _linear(g, x, w_h, wb_h), recurrent))
        # (1 − z) h̃ + z h = h̃ + z (h − h̃)
        return (g.apply("Add", new, g.apply("Mul", z, g.apply("Sub", h, new))),)

    return step


def _lstm(g: Graph, weights: _Weights, functions: list[Activation]) -> Step:
    (f, act, out), coupled = functions, g.call.attributes["input_forget"]
    peep = g.split("Split", weights.p, n_outputs=3, num_outputs=3) if weights.p else []

    def gate(a: str, number: int, c: str) -> str:
        return f(g.apply("Add", a, g.apply("Mul", peep[number], c)) if peep else a)

    def step(x: str, state: State) -> State:
        h, c = state
        a = g.apply("Add", _linear(g, x, weights.w, weights.wb), _linear(g, h, weights.r, weights.rb))
        i, o, forget, cell = g.split("Split", a, n_outputs=4, axis=1, num_outputs=4)
        i = gate(i, 0, c)
        forget = g.apply("Sub", 1.0, i) if coupled else gate(forget, 2, c)
        c = g.apply("Add", g.apply("Mul", forget, c), g.apply("Mul", i, act(cell)))
        return g.apply("Mul", gate(o, 1, c), out(c)), c

    return step


_ATTRIBUTES: Mapping[str, Any] = {
    "activation_alpha": None,
    "activation_beta": None,
    "activations": None,
    "clip": None,
    "direction": "forward",
    "hidden_size": None,
    "layout": 0,
}

RECURRENCE = (
    Composite("RNN", (3, 6), _recurrent(1, ("tanh",), _simple), _ATTRIBUTES, (1, 2, 3)),
    Composite(
        "GRU",
        (3, 6),
        _recurrent(1, ("sigmoid", "tanh"), _gru),
        {**_ATTRIBUTES, "linear_before_reset": 0},
        (1, 2, 3),
    ),
    Composite(
        "LSTM",
        (3, 8),
        _recurrent(2, ("sigmoid", "tanh", "tanh"), _lstm),
        {**_ATTRIBUTES, "input_forget": 0},
        (1, 2, 3, 7),
    ),
)
