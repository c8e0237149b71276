"""Random networks that are right, with points and targets: what no check may refuse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jachess.network.graph import Array, Node
from tests.networks import Builder, Case

ACTIVATIONS = ("Tanh", "Sigmoid", "Relu", "Softplus", "Gelu", "Elu", "Swish", "Mish", "LeakyRelu", "Sin", "Softsign",
               "Atan", "Erf", "Selu", "Celu", "HardSigmoid", "HardSwish", "Abs", "Identity")  # fmt: skip
ENDS = {
    "cross-entropy": ("", "Softmax", "LogSoftmax"),
    "binary-cross-entropy": ("", "Sigmoid"),
    "sum-of-squares": ("", "", "Softmax", "Sigmoid"),
}
WIDTHS = (1, 1, 2, 3, 4, 6, 9, 16)
GAINS = (0.1, 1.0, 1.0, 1.0, 8.0, 50.0)
"""Factors of the weights: at 8 most units of a sigmoid are saturated, at 50 nearly all."""


@dataclass(frozen=True)
class RandomNetwork:
    """A right network, and the floating type in which its derivatives are kept."""

    case: Case
    dtype: str

    def __str__(self) -> str:
        return f"{self.case.name}, {self.dtype}"


def random_network(seed: int) -> RandomNetwork:
    """The network of that number: widths, depth, topology, activations, scales, points and error function at random."""
    random = np.random.default_rng((seed, 17))
    n_inputs = int(random.choice(WIDTHS))
    error = str(random.choice(list(ENDS)))
    n_outputs = int(random.choice(WIDTHS[:6])) + (error == "cross-entropy")
    b = Builder(seed, n_inputs)
    scale = 10.0 ** random.integers(-6, 7) if random.uniform() < 0.5 else 1.0
    fitted = bool(random.uniform() < 0.5)
    z, width = _hidden(b, random, n_inputs, 1 / scale if fitted else 1.0)
    y = b.layer(z, "output", n_outputs, width)
    end = str(random.choice(ENDS[error]))
    y = b.apply(end, y, **({} if end == "Sigmoid" else {"axis": -1})) if end else y
    n_points = int(random.choice((1, 1, 2, 7, 40)))
    points = scale * _points(random, n_points, n_inputs)
    case = Case(f"{seed}: {_words(b)}, {error}, N {n_points}, inputs × {scale:g}{', fitted' if fitted else ''}",
                b.network(y, n_outputs), (points,), _targets(random, error, n_points, n_outputs), error)  # fmt: skip
    return RandomNetwork(case, str(random.choice(("float64", "float64", "float32"))))


def _hidden(b: Builder, random: np.random.Generator, width: int, first: float) -> tuple[str, int]:
    """Hidden layers, each of a kind of its own; the first one's weights times ``first``."""
    z, gain = "x", float(random.choice(GAINS))
    for number in range(int(random.integers(0, 5))):
        kind, activation = str(random.choice(list(KINDS))), str(random.choice(ACTIVATIONS))
        n_units = width if kind in ("skip", "shared", "softmax") else int(random.choice(WIDTHS))
        name = f"layer{number}"
        a = b.layer(z, name, n_units, width)
        b.tensors[f"{name}.weight"] *= gain * (first if number == 0 else 1)
        z, width = KINDS[kind](b, b.apply(activation, a), z, name, (n_units, width))
    return z, width


Sizes = tuple[int, int]
"""Numbers of units and inputs of a layer."""


def _plain(b: Builder, new: str, z: str, name: str, sizes: Sizes) -> tuple[str, int]:
    return new, sizes[0]


def _skip(b: Builder, new: str, z: str, name: str, sizes: Sizes) -> tuple[str, int]:
    return b.apply("Add", new, z), sizes[0]


def _both(b: Builder, new: str, z: str, name: str, sizes: Sizes) -> tuple[str, int]:
    return b.apply("Concat", new, z, axis=1), sum(sizes)


def _gate(b: Builder, new: str, z: str, name: str, sizes: Sizes) -> tuple[str, int]:
    return b.apply("Mul", new, b.apply("Sigmoid", b.layer(z, f"{name}.gate", *sizes))), sizes[0]


def _slope(b: Builder, new: str, z: str, name: str, sizes: Sizes) -> tuple[str, int]:
    new = b.apply("Mul", new, b.weight(f"{name}.gain", sizes[0]))
    return b.apply("PRelu", new, b.weight(f"{name}.slope", sizes[0])), sizes[0]


def _shared(b: Builder, new: str, z: str, name: str, sizes: Sizes) -> tuple[str, int]:
    return b.apply("Tanh", b.apply("MatMul", new, b.apply("Transpose", f"{name}.weight", perm=(1, 0)))), sizes[0]


def _softmax(b: Builder, new: str, z: str, name: str, sizes: Sizes) -> tuple[str, int]:
    return b.apply("Mul", b.apply("Softmax", new, axis=-1), z), sizes[0]


def _normalised(b: Builder, new: str, z: str, name: str, sizes: Sizes) -> tuple[str, int]:
    axis = b.constant("last", np.array([-1]))
    centred = b.apply("Sub", new, b.apply("ReduceMean", new, axis, keepdims=1))
    variance = b.apply("ReduceMean", b.apply("Mul", centred, centred), axis, keepdims=1)
    deviation = b.apply("Sqrt", b.apply("Add", variance, b.constant("least", 1e-3)))
    return b.apply("Div", centred, deviation), sizes[0]


def _split(b: Builder, new: str, z: str, name: str, sizes: Sizes) -> tuple[str, int]:
    half = b.layer(new, f"{name}.halves", 2 * sizes[0], sizes[0])
    parts = (f"{name}.value", f"{name}.selector")
    b.nodes.append(Node("Split", (half, b.constant(f"{name}.parts", np.array([sizes[0]] * 2))), parts, {"axis": 1}))
    return b.apply("Mul", parts[0], b.apply("Sigmoid", parts[1])), sizes[0]


def _gathered(b: Builder, new: str, z: str, name: str, sizes: Sizes) -> tuple[str, int]:
    chosen = b.random.integers(0, sizes[0], sizes[0] + 1)
    return b.apply("Gather", new, b.constant(f"{name}.chosen", chosen), axis=1), sizes[0] + 1


def _scaled(b: Builder, new: str, z: str, name: str, sizes: Sizes) -> tuple[str, int]:
    w = b.weight(f"{name}.scaled", sizes[0], sizes[0])
    return b.apply("Gemm", new, w, b.weight(f"{name}.shift", sizes[0]), alpha=0.5, beta=2.0), sizes[0]


KINDS = {"plain 1": _plain, "plain 2": _plain, "plain 3": _plain, "plain 4": _plain, "skip": _skip, "both": _both,
         "gate": _gate, "slope": _slope, "shared": _shared, "softmax": _softmax, "normalised": _normalised,
         "split": _split, "gathered": _gathered, "scaled": _scaled}  # fmt: skip
"""What a hidden layer makes of its activations; plain ones are the most likely."""


def _points(random: np.random.Generator, n_points: int, n_inputs: int) -> Array:
    points = random.normal(size=(n_points, n_inputs))
    kind = random.integers(0, 6)
    if kind == 0:  # one point far from the others
        points[0] *= 1e4
    elif kind == 1:  # inputs that are mostly zero
        points *= random.uniform(size=points.shape) < 0.3
    elif kind == 2:  # inputs of very different sizes
        points *= 10.0 ** random.integers(-3, 4, n_inputs)
    return points


def _targets(random: np.random.Generator, error: str, n_points: int, n_outputs: int) -> Array:
    if error == "cross-entropy":
        if random.uniform() < 0.5:
            return random.integers(0, n_outputs, n_points)
        shares = random.uniform(size=(n_points, n_outputs))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))
    return random.uniform(size=(n_points, n_outputs))


def _words(b: Builder) -> str:
    return " ".join(node.operation for node in b.nodes)
