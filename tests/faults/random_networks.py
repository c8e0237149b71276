"""Random networks that are right, with points and targets: what no check may refuse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jachess.network.graph import Array
from tests.networks import Builder, Case

ACTIVATIONS = ("Tanh", "Sigmoid", "Relu", "Softplus", "Gelu", "Elu", "Swish", "Mish", "LeakyRelu", "Sin", "Softsign",
               "Atan", "Erf", "Selu", "Celu", "HardSigmoid", "HardSwish", "Abs", "Identity")  # fmt: skip
ENDS = {
    "cross-entropy": ("", "Softmax", "LogSoftmax"),
    "binary-cross-entropy": ("", "Sigmoid"),
    "sum-of-squares": ("", "", "Softmax", "Sigmoid"),
}
KINDS = ("plain",) * 4 + ("skip", "both", "gate", "slope", "shared", "softmax")
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
        n_units, name = int(random.choice(WIDTHS)), f"layer{number}"
        kind = str(random.choice(KINDS))
        if kind in ("skip", "shared", "softmax"):
            n_units = width
        a = b.layer(z, name, n_units, width)
        b.tensors[f"{name}.weight"] *= gain * (first if number == 0 else 1)
        activation = str(random.choice(ACTIVATIONS))
        new = b.apply(activation, a)
        if kind == "skip":
            new = b.apply("Add", new, z)
        elif kind == "both":
            new, n_units = b.apply("Concat", new, z, axis=1), n_units + width
        elif kind == "gate":
            gate = b.apply("Sigmoid", b.layer(z, f"{name}.gate", n_units, width))
            new = b.apply("Mul", new, gate)
        elif kind == "slope":
            new = b.apply(
                "PRelu", b.apply("Mul", new, b.weight(f"{name}.gain", n_units)), b.weight(f"{name}.slope", n_units)
            )
        elif kind == "shared":
            new = b.apply("Tanh", b.apply("MatMul", new, b.apply("Transpose", f"{name}.weight", perm=(1, 0))))
        elif kind == "softmax":
            new = b.apply("Mul", b.apply("Softmax", a, axis=-1), z)
        z, width = new, n_units
    return z, width


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
