"""Small right networks in which planted faults bite: all topologies of the other tests, and what those lack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from jachess.network.graph import Array, Input
from tests.networks import CASES, Builder, Case

ACTIVATIONS = ("Sigmoid", "Softplus", "Gelu", "Swish", "Elu", "LeakyRelu", "Sin", "Softsign", "HardSwish", "Mish")


def square(b: Builder) -> str:
    """As many units everywhere, so that nothing is refused for its shape."""
    z = b.apply("Tanh", b.layer("x", "first", 5, 5))
    z = b.apply("Sigmoid", b.layer(z, "second", 5, 5))
    z = b.apply("Tanh", b.apply("MatMul", z, b.weight("third", 5, 5)))
    return b.layer(z, "output", 5, 5)


def square_attention(b: Builder) -> str:
    """Softmax between square layers: no segment is a matrix or a diagonal."""
    z = b.apply("Softmax", b.layer("x", "first", 5, 5), axis=-1)
    z = b.apply("Softmax", b.layer(z, "second", 5, 5), axis=-1)
    return b.layer(b.apply("Tanh", z), "output", 5, 5)


def scaled(b: Builder) -> str:
    """α and β other than 1."""
    z = b.apply("Tanh", b.layer("x", "hidden", 4, 5))
    a = b.apply("Gemm", z, b.weight("scaled.weight", 4, 4), b.weight("scaled.bias", 4), alpha=0.5, beta=2.0)
    return b.layer(b.apply("Tanh", a), "output", 3, 4)


def normalised(b: Builder) -> str:
    """Layer normalisation, spelled out."""
    a = b.layer("x", "hidden", 4, 5)
    axis = b.constant("axis", np.array([-1]))
    centred = b.apply("Sub", a, b.apply("ReduceMean", a, axis, keepdims=1))
    variance = b.apply("ReduceMean", b.apply("Mul", centred, centred), axis, keepdims=1)
    z = b.apply("Div", centred, b.apply("Sqrt", b.apply("Add", variance, b.constant("least", 0.01))))
    z = b.apply("Mul", z, b.weight("gain", 4))
    return b.layer(b.apply("Tanh", b.apply("Sub", z, b.weight("shift", 4))), "output", 3, 4)


def split(b: Builder) -> str:
    b.constant("parts", np.array([4, 4]))
    a = b.layer("x", "hidden", 8, 5)
    b.apply("Split", a, "parts", axis=1)
    node = b.nodes.pop()
    b.nodes.append(replace(node, outputs=("value", "gate")))
    return b.layer(b.apply("Mul", "value", b.apply("Sigmoid", "gate")), "output", 3, 4)


def gathered(b: Builder) -> str:
    """One unit feeds the next layer twice, another one not at all."""
    z = b.apply("Tanh", b.layer("x", "hidden", 4, 5))
    z = b.apply("Gather", z, b.constant("chosen", np.array([0, 1, 1, 3])), axis=1)
    return b.layer(z, "output", 3, 4)


def widening(b: Builder) -> str:
    """More outputs than inputs."""
    z = b.apply("Tanh", b.layer("x", "hidden", 4, 2))
    return b.layer(z, "output", 6, 4)


def alike(b: Builder) -> str:
    """A concatenation of two values of the same width."""
    left = b.apply("Tanh", b.layer("x", "left", 4, 5))
    right = b.apply("Sigmoid", b.layer("x", "right", 4, 5))
    return b.layer(b.apply("Concat", left, right, axis=1), "output", 3, 8)


def conditioned(b: Builder) -> str:
    """A second input, which is not differentiated."""
    b.inputs.append(Input("c", (3,)))
    a = b.apply("Add", b.layer("x", "hidden", 4, 5), b.apply("MatMul", "c", b.weight("condition", 3, 4)))
    return b.layer(b.apply("Tanh", a), "output", 3, 4)


def activated(operation: str) -> Callable[[Builder], str]:
    def build(b: Builder) -> str:
        z = b.apply(operation, b.layer("x", "hidden", 5, 5))
        return b.layer(b.apply("Tanh", b.layer(z, "second", 4, 5)), "output", 3, 4)

    build.__name__ = operation
    return build


def _targets(random: np.random.Generator, error: str, n_outputs: int) -> Array:
    """Soft ones, whose sums are as far from 1 as they may be."""
    uniform = random.uniform(size=(23, n_outputs))
    return uniform / uniform.sum(axis=1, keepdims=True) * (1 - 9e-6) if error == "cross-entropy" else uniform


def _case(seed: int, build: Callable[[Builder], str], error: str, n_inputs: int = 5, n_outputs: int = 3) -> Case:
    builder = Builder(seed, n_inputs)
    network = builder.network(build(builder), n_outputs)
    points = tuple(builder.random.normal(size=(23, *i.shape)) for i in network.inputs)
    return Case(f"{build.__name__}, {error}", network, points, _targets(builder.random, error, n_outputs), error)


NETWORKS = [
    _case(101, square, "cross-entropy", 5, 5),
    _case(102, square, "sum-of-squares", 5, 5),
    _case(103, square_attention, "sum-of-squares", 5, 5),
    _case(104, scaled, "sum-of-squares"),
    _case(105, normalised, "cross-entropy"),
    _case(106, split, "sum-of-squares"),
    _case(107, gathered, "sum-of-squares"),
    _case(108, widening, "sum-of-squares", 2, 6),
    _case(109, alike, "binary-cross-entropy"),
    _case(110, conditioned, "cross-entropy"),
    *[_case(111 + number, activated(name), "sum-of-squares") for number, name in enumerate(ACTIVATIONS)],
    *CASES,
]
"""In the order in which they are tried."""
