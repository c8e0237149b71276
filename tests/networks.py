"""Small networks of many topologies, built by hand: the cases that most tests of the mathematics run through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from jachess.network.graph import Array, Input, Network, Node, Weight


@dataclass(frozen=True)
class Case:
    """A network with points and targets for its error function."""

    name: str
    network: Network
    points: tuple[Array, ...]
    targets: Array
    error: str

    def __str__(self) -> str:
        return self.name


class Builder:
    """Writes a graph node by node; every method returns the name of the value it makes."""

    def __init__(self, seed: int, n_inputs: int = 5) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Node] = []
        self.tensors: dict[str, Array] = {}
        self.constants: dict[str, Array] = {}
        self.inputs = [Input("x", (n_inputs,))]

    def weight(self, name: str, *shape: int) -> str:
        self.tensors[name] = self.random.normal(size=shape) / np.sqrt(shape[-1] if shape else 1)
        return name

    def constant(self, name: str, value: object) -> str:
        self.constants[name] = np.asarray(value)
        return name

    def apply(self, operation: str, *inputs: str, **attributes: object) -> str:
        output = f"{operation.lower()}{len(self.nodes)}"
        self.nodes.append(Node(operation, inputs, (output,), attributes, output))
        return output

    def layer(self, z: str, name: str, n_units: int, n_inputs: int) -> str:
        return self.apply(
            "Gemm", z, self.weight(f"{name}.weight", n_units, n_inputs), self.weight(f"{name}.bias", n_units), transB=1
        )

    def network(self, output: str, *output_shape: int) -> Network:
        weights, offset = [], 0
        for name, tensor in self.tensors.items():
            weights.append(Weight(name, tensor.shape, offset))
            offset += tensor.size
        w = np.concatenate([tensor.ravel() for tensor in self.tensors.values()])
        return Network(
            tuple(self.nodes), self.constants, tuple(weights), w, tuple(self.inputs), "x", output, output_shape
        )


def plain(b: Builder) -> str:
    z = b.apply("Tanh", b.layer("x", "hidden", 6, 5))
    return b.layer(z, "output", 3, 6)


def deep(b: Builder) -> str:
    z, width = "x", 5
    for number in range(4):
        z = b.apply("Sigmoid", b.layer(z, f"layer{number}", 4, width))
        width = 4
    return b.layer(z, "output", 3, 4)


def no_hidden(b: Builder) -> str:
    return b.layer("x", "output", 3, 5)


def skip(b: Builder) -> str:
    a = b.layer("x", "first", 4, 5)
    z = b.apply("Tanh", a)
    a2 = b.apply("Add", b.layer(z, "second", 4, 4), z)
    both = b.apply("Concat", b.apply("Softplus", a2), "x", axis=1)
    return b.layer(both, "output", 3, 9)


def several_inputs(b: Builder) -> str:
    """One layer that two branches feed, with a bias of its own."""
    z1 = b.apply("Tanh", b.layer("x", "left", 4, 5))
    z2 = b.apply("Sigmoid", b.layer("x", "right", 3, 5))
    a1 = b.apply("MatMul", z1, b.weight("from_left", 4, 6))
    a2 = b.apply("MatMul", z2, b.weight("from_right", 3, 6))
    a = b.apply("Add", b.apply("Add", a1, a2), b.weight("joint.bias", 6))
    return b.layer(b.apply("Tanh", a), "output", 3, 6)


def shared(b: Builder) -> str:
    """One weight matrix used by three layers, once transposed, and twice into one pre-activation."""
    b.weight("W", 5, 5)
    z = b.apply("Tanh", b.apply("MatMul", "x", "W"))
    z = b.apply("Tanh", b.apply("MatMul", z, b.apply("Transpose", "W", perm=(1, 0))))
    z = b.apply("Tanh", b.apply("Add", b.apply("MatMul", z, "W"), b.apply("MatMul", "x", "W")))
    return b.layer(z, "output", 3, 5)


def gates(b: Builder) -> str:
    """A gate, a gain, and slopes: weights that enter no layer."""
    z = b.apply("PRelu", b.layer("x", "value", 4, 5), b.weight("slope", 4))
    gate = b.apply("Sigmoid", b.layer("x", "gate", 4, 5))
    z = b.apply("Mul", b.apply("Mul", z, gate), b.weight("gain", 4))
    return b.layer(z, "output", 3, 4)


def reversed_order(b: Builder) -> str:
    """The file lists the last layer's weights first."""
    b.weight("output.weight", 3, 4), b.weight("output.bias", 3)
    z = b.apply("Tanh", b.layer("x", "hidden", 4, 5))
    return b.apply("Gemm", z, "output.weight", "output.bias", transB=1)


def softmax_inside(b: Builder) -> str:
    z = b.apply("Softmax", b.layer("x", "attention", 5, 5), axis=-1)
    return b.layer(b.apply("Mul", z, "x"), "output", 3, 5)


def bottleneck(b: Builder) -> str:
    z = b.apply("Tanh", b.layer("x", "wide", 8, 5))
    z = b.apply("Tanh", b.layer(z, "narrow", 1, 8))
    z = b.apply("Tanh", b.layer(z, "wide_again", 8, 1))
    return b.layer(z, "output", 3, 8)


def softmax_output(b: Builder) -> str:
    return b.apply("Softmax", plain(b), axis=1)


def sigmoid_output(b: Builder) -> str:
    return b.apply("Sigmoid", plain(b))


def rectified(b: Builder) -> str:
    z = b.apply("Relu", b.layer("x", "hidden", 6, 5))
    return b.layer(z, "output", 3, 6)


def columns(b: Builder) -> str:
    """Points last: the weights stand on the left, so no layer is recognised."""
    a = b.apply("MatMul", b.weight("W", 4, 5), b.apply("Transpose", "x", perm=(1, 0)))
    return b.layer(b.apply("Transpose", b.apply("Tanh", a), perm=(1, 0)), "output", 3, 4)


def one_gate(b: Builder) -> str:
    """A gate of one unit that opens or shuts four others at once."""
    z = b.apply("Tanh", b.layer("x", "value", 4, 5))
    gate = b.apply("Sigmoid", b.layer("x", "gate", 1, 5))
    return b.layer(b.apply("Mul", z, gate), "output", 3, 4)


def part_constant(b: Builder) -> str:
    """A layer whose last two units are fed by constants, and limits that are weights."""
    fixed = b.constant("fixed", b.random.normal(size=(5, 2)))
    a = b.apply("MatMul", "x", b.apply("Concat", b.weight("learnt", 5, 2), fixed, axis=1))
    z = b.apply("Clip", b.apply("Tanh", a), b.weight("low"), "")
    return b.layer(b.apply("Concat", z, a, axis=1), "output", 3, 8)


def same_input_twice(b: Builder) -> str:
    """Two layers that add up to one pre-activation, fed by the same activations."""
    z = b.apply("Tanh", b.layer("x", "hidden", 4, 5))
    first, second = (b.apply("MatMul", z, b.weight(name, 4, 3)) for name in ("first", "second"))
    a = b.apply("Add", first, second)
    return b.layer(b.apply("Sin", a), "output", 3, 3)


def convolution(b: Builder) -> str:
    """Kernels with padding, a stride and groups, and pools, over a row of five pixels."""
    z = b.apply("Unsqueeze", "x", b.constant("channel", np.array([1])))
    z = b.apply("Tanh", b.apply("Conv", z, b.weight("first.kernel", 4, 1, 3), b.weight("first.bias", 4), pads=[1, 1]))
    pooled = b.apply("AveragePool", z, kernel_shape=[2], strides=[1])
    z = b.apply("Conv", pooled, b.weight("second.kernel", 4, 2, 2), b.weight("second.bias", 4), group=2, strides=[2])
    z = b.apply("Concat", b.apply("Softplus", z), b.apply("MaxPool", pooled, kernel_shape=[2], strides=[2]), axis=1)
    return b.layer(b.apply("Flatten", z), "output", 3, 16)


def attention(b: Builder) -> str:
    """Five tokens with places of their own, a standardisation with gains, two heads, and a way around."""
    tokens = b.apply("Unsqueeze", "x", b.constant("feature", np.array([2])))
    z = b.apply("Add", b.apply("MatMul", tokens, b.weight("embedding", 1, 4)), b.weight("place", 5, 4))
    s = b.apply("Mul", b.apply("Standardisation", z, epsilon=1e-5), b.weight("gain", 4))
    split = b.constant("split", np.array([0, 5, 2, 2]))
    heads = [
        b.apply(
            "Reshape", b.apply("Add", b.apply("MatMul", s, b.weight(name, 4, 4)), b.weight(f"{name}.bias", 4)), split
        )
        for name in ("query", "key", "value")
    ]
    query, value = (b.apply("Transpose", heads[place], perm=(0, 2, 1, 3)) for place in (0, 2))
    weights = b.apply("Softmax", b.apply("MatMul", query, b.apply("Transpose", heads[1], perm=(0, 2, 3, 1))), axis=-1)
    seen = b.apply("Transpose", b.apply("MatMul", weights, value), perm=(0, 2, 1, 3))
    seen = b.apply("Reshape", seen, b.constant("join", np.array([0, 5, 4])))
    z = b.apply("Tanh", b.apply("Add", b.apply("MatMul", seen, b.weight("mix", 4, 4)), z))
    return b.layer(b.apply("ReduceMean", z, axes=[1], keepdims=0), "output", 3, 4)


def kernels(b: Builder) -> str:
    """Kernels with more inputs than they have positions, behind a layer, before one, and around a branch."""
    wide = b.apply("Tanh", b.layer("x", "first", 8, 5))
    z = b.apply("Reshape", wide, b.constant("row", np.array([0, 4, 2])))
    a = b.apply("Conv", z, b.weight("wide.kernel", 3, 4, 2), b.weight("wide.bias", 3), pads=[1, 0])
    z = b.apply("Softplus", b.apply("Conv", b.apply("Tanh", a), b.weight("high.kernel", 4, 3, 1)))
    pooled = b.apply("ReduceMean", b.apply("Sin", a), axes=[2], keepdims=0)
    z = b.apply("Concat", b.apply("Flatten", z), pooled, b.layer(wide, "branch", 2, 8), axis=1)
    return b.layer(z, "output", 3, 13)


def pairs(b: Builder) -> str:
    """Two tokens that matrices meet, one of them turned, one used twice, and a branch with the tokens first."""
    z = b.apply("Reshape", b.layer("x", "first", 6, 5), b.constant("tokens", np.array([0, 2, 3])))
    z = b.apply("Tanh", b.apply("MatMul", z, b.weight("embedding", 3, 4)))
    turned = b.apply("Transpose", b.weight("turned", 5, 4), perm=(1, 0))
    s = b.apply("MatMul", b.apply("Transpose", z, perm=(1, 0, 2)), turned)
    s = b.apply("MatMul", b.apply("Sin", b.apply("Add", s, b.weight("bias", 5))), b.weight("back", 5, 4))
    z = b.apply("Add", z, b.apply("Transpose", s, perm=(1, 0, 2)))
    b.weight("twice", 4, 4)
    for _ in range(2):
        z = b.apply("Tanh", b.apply("MatMul", z, "twice"))
    return b.layer(b.apply("Flatten", z), "output", 3, 8)


def folded(b: Builder) -> str:
    """Tokens on the axis of the points, on both sides, in front and behind; biases of each are added behind moves."""
    grid = b.apply("Reshape", b.layer("x", "first", 20, 5), b.constant("grid", np.array([0, 2, 2, 5])))
    rows = {width: b.constant(f"rows{width}", np.array([-1, width])) for width in (3, 5, 6, 8)}
    z = b.apply("Reshape", b.apply("Transpose", b.apply("Tanh", grid), perm=(1, 0, 2, 3)), rows[5])
    z = b.apply("Sin", b.layer(z, "both", 4, 5))
    pairs = b.apply("Reshape", z, b.constant("pairs", np.array([2, -1, 8])))
    a = b.apply("MatMul", b.apply("Reshape", pairs, rows[8]), b.weight("front", 8, 3))
    a = b.apply("Transpose", b.apply("Reshape", a, b.constant("tokens", np.array([2, -1, 3]))), perm=(1, 2, 0))
    a = b.apply("Transpose", b.apply("Add", a, b.weight("front.bias", 3, 2)), perm=(0, 2, 1))
    z = b.apply("Softplus", b.apply("Reshape", a, rows[3]))
    z = b.apply("Add", z, b.apply("Tanh", b.apply("Gemm", z, b.weight("behind", 3, 3))))
    return b.layer(b.apply("Reshape", z, rows[6]), "output", 3, 6)


def tied(b: Builder) -> str:
    """A block at two tokens that is used twice, also as parts of one tensor; a matrix at tokens that is a layer too."""
    z = b.apply("Reshape", b.layer("x", "first", 10, 5), b.constant("tokens", np.array([0, 2, 5])))
    b.weight("inner", 5, 10), b.weight("block", 5, 5), b.weight("block.bias", 5)
    ends = [b.constant(f"end{end}", np.array([end])) for end in (0, 5, 10)]
    parts = [b.apply("Slice", "inner", *pair, b.constant("columns", np.array([1]))) for pair in pairwise(ends)]
    for part in parts:
        a = b.apply("Add", b.apply("MatMul", b.apply("Tanh", z), "block"), "block.bias")
        z = b.apply("Add", z, b.apply("MatMul", b.apply("Sin", a), part))
    z = b.apply("Tanh", b.apply("MatMul", z, b.weight("table", 5, 7)))
    z = b.apply("ReduceMean", z, axes=[1], keepdims=0)
    z = b.apply("Gemm", z, "table", b.weight("table.bias", 5), transB=1)
    return b.layer(b.apply("Softplus", z), "output", 3, 5)


def turned_softmax(b: Builder) -> str:
    return b.apply("Gather", softmax_output(b), b.constant("turn", np.array([2, 1, 0])), axis=1)


def part_of_softmax(b: Builder) -> str:
    wide = b.apply("Softmax", b.layer("x", "output", 4, 5), axis=-1)
    ends = (b.constant(name, np.array([value])) for name, value in (("from", 0), ("to", 3), ("axis", 1)))
    return b.apply("Slice", wide, *ends)


def softmax_in_groups(b: Builder) -> str:
    a = b.apply("Reshape", b.layer("x", "output", 3, 5), b.constant("apart", np.array([-1, 3, 1])))
    return b.apply("Flatten", b.apply("Softmax", a, axis=2))


def softmax_spelled_out(b: Builder) -> str:
    e = b.apply("Exp", b.layer("x", "output", 3, 5))
    return b.apply("Div", e, b.apply("ReduceSum", e, b.constant("axis", np.array([1]))))


def clipped_sigmoid(b: Builder) -> str:
    return b.apply("Clip", sigmoid_output(b), b.constant("least", np.array(1e-7)))


def _case(seed: int, build: Callable[[Builder], str], error: str) -> Case:
    builder = Builder(seed)
    network = builder.network(build(builder), 3)
    points = builder.random.normal(size=(23, 5))
    classes = builder.random.integers(0, 3, 23)
    uniform = builder.random.uniform(size=(23, 3))
    targets = {"cross-entropy": classes, "binary-cross-entropy": uniform, "sum-of-squares": uniform}[error]
    return Case(f"{build.__name__}, {error}", network, (points,), targets, error)


TOPOLOGIES = (plain, deep, no_hidden, skip, several_inputs, shared, gates, reversed_order, softmax_inside, bottleneck,
              rectified, columns, one_gate, part_constant, same_input_twice)  # fmt: skip

CASES = [
    *[_case(number, build, "cross-entropy") for number, build in enumerate(TOPOLOGIES)],
    *[_case(50 + number, build, "sum-of-squares") for number, build in enumerate(TOPOLOGIES)],
    *[_case(70, build, "binary-cross-entropy") for build in (plain, skip, sigmoid_output)],
    *[_case(80, softmax_output, error) for error in ("cross-entropy", "sum-of-squares")],
    _case(90, sigmoid_output, "sum-of-squares"),
    *[_case(100, build, "cross-entropy") for build in (convolution, attention, kernels, pairs, folded, tied)],
]
