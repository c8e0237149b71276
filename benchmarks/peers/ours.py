"""jachess, as a user calls it, with a network read from an ONNX file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import jachess
from benchmarks.cases import EPSILON, HEADS, Case

Run = Callable[[], np.ndarray]
VERSION = f"jachess {jachess.__version__}, numpy {np.__version__}"


class _Graph:
    """Nodes and weights as an exporter would write them; every method returns the name of the value it makes."""

    def __init__(self, case: Case) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors = [numpy_helper.from_array(tensor, f"w{number}") for number, tensor in enumerate(case.tensors())]
        self._next = iter([tensor.name for tensor in self.tensors])

    def weight(self) -> str:
        """The next one."""
        return next(self._next)

    def numbers(self, *numbers: int) -> str:
        self.tensors.append(numpy_helper.from_array(np.array(numbers), f"c{len(self.tensors)}"))
        return self.tensors[-1].name

    def apply(self, operation: str, *inputs: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(operation, list(inputs), [f"z{len(self.nodes)}"], **attributes))
        return str(self.nodes[-1].output[0])

    def layer(self, z: str) -> str:
        return self.apply("Gemm", z, self.weight(), self.weight(), transB=1)

    def turned(self, z: str, *perm: int) -> str:
        return self.apply("Transpose", z, perm=perm)

    def tokens(self, z: str) -> str:
        """A layer at each token."""
        product = self.apply("MatMul", z, self.turned(self.weight(), 1, 0))
        return self.apply("Add", product, self.weight())


def _chain(graph: _Graph, case: Case) -> str:
    z = "x"
    for number in range(len(case.sizes) - 1):
        z = graph.layer(graph.apply("Tanh", z) if number else z)
    return z


def _convolution(graph: _Graph, case: Case) -> str:
    z = "x"
    for _ in range(2):
        a = graph.apply("Conv", z, graph.weight(), graph.weight(), pads=[1, 1, 1, 1])
        z = graph.apply("AveragePool", graph.apply("Tanh", a), kernel_shape=[2, 2], strides=[2, 2])
    return graph.layer(graph.apply("Flatten", z))


def _transformer(graph: _Graph, case: Case) -> str:
    n_tokens, _, d, _ = case.sizes
    split, join = graph.numbers(0, n_tokens, HEADS, d // HEADS), graph.numbers(0, n_tokens, d)
    scale = numpy_helper.from_array(np.array((d // HEADS) ** -0.5), "scale")
    z = graph.tokens("x")  # with the tokens' places for a bias
    s = graph.apply("LayerNormalization", z, graph.weight(), graph.weight(), epsilon=EPSILON)
    q, k, v = (graph.apply("Reshape", graph.tokens(s), split) for _ in range(3))
    products = graph.apply("MatMul", graph.turned(q, 0, 2, 1, 3), graph.turned(k, 0, 2, 3, 1))
    attention = graph.apply("Softmax", graph.apply("Mul", products, "scale"), axis=-1)
    seen = graph.apply("MatMul", attention, graph.turned(v, 0, 2, 1, 3))
    z = graph.apply("Add", z, graph.tokens(graph.apply("Reshape", graph.turned(seen, 0, 2, 1, 3), join)))
    s = graph.apply("LayerNormalization", z, graph.weight(), graph.weight(), epsilon=EPSILON)
    z = graph.apply("Add", z, graph.tokens(graph.apply("Tanh", graph.tokens(s))))
    graph.tensors.append(scale)
    return graph.layer(graph.apply("ReduceMean", z, axes=[1], keepdims=0))


NETWORKS = {"chain": _chain, "convolution": _convolution, "transformer": _transformer}


def save_network(case: Case, path: Path) -> None:
    """Write the network as an exporter would, in float64."""
    graph = _Graph(case)
    y = NETWORKS[case.kind](graph, case)
    ends = (("x", *case.point_shape), (y, case.sizes[-1]))
    x, y = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n", *shape]) for name, *shape in ends)
    whole = helper.make_graph(graph.nodes, "benchmark", [x], [y], graph.tensors)
    onnx.save(helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def _network(case: Case) -> jachess.Network:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        save_network(case, path)
        return jachess.read_network(path, weights=[f"w{n}" for n in range(len(case.shapes))])


def jacobian(case: Case) -> Run:
    network, points = _network(case), case.points()
    return lambda: jachess.jacobian(network, points, dtype=case.dtype)


def hessian(case: Case) -> Run:
    network, points, targets = _network(case), case.points(), case.targets()
    return lambda: jachess.hessian(network, points, targets, error="sum-of-squares", dtype=case.dtype)


WAYS = {"jacobian": {"jachess": jacobian}, "hessian": {"jachess": hessian}}
