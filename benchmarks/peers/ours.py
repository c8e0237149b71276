"""jachess, as a user calls it, with a network read from an ONNX file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import jachess
from benchmarks.cases import Case

Run = Callable[[], np.ndarray]
VERSION = f"jachess {jachess.__version__}, numpy {np.__version__}"


def save_network(case: Case, path: Path) -> None:
    """Write the network as an exporter would, in float64."""
    nodes, tensors, z = [], [], "x"
    for number, (weight, bias) in enumerate(case.layers()):
        tensors += [numpy_helper.from_array(weight, f"w{number}"), numpy_helper.from_array(bias, f"b{number}")]
        nodes.append(helper.make_node("Gemm", [z, f"w{number}", f"b{number}"], [f"a{number}"], transB=1))
        z = f"a{number}"
        if number < len(case.sizes) - 2:
            nodes.append(helper.make_node("Tanh", [z], [f"z{number}"]))
            z = f"z{number}"
    ends = (("x", case.sizes[0]), (z, case.sizes[-1]))
    x, y = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n", width]) for name, width in ends)
    graph = helper.make_graph(nodes, "benchmark", [x], [y], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def _network(case: Case) -> jachess.Network:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        save_network(case, path)
        return jachess.read_network(path)


def jacobian(case: Case) -> Run:
    network, points = _network(case), case.points()
    return lambda: jachess.jacobian(network, points, dtype=case.dtype)


def hessian(case: Case) -> Run:
    network, points, targets = _network(case), case.points(), case.targets()
    return lambda: jachess.hessian(network, points, targets, error="sum-of-squares", dtype=case.dtype)


WAYS = {"jacobian": {"jachess": jacobian}, "hessian": {"jachess": hessian}}
