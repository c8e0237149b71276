"""ONNX's own tests of operations, which come with its package, and derivatives of all that are small enough."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, version_converter
from onnx.backend.test.loader import load_model_tests

from jachess.backprop.propagation import State, pull_cotangents, pull_tangents_of_cotangents, push_tangents
from jachess.errors import NetworkError
from jachess.network.assembly.expansion import expanded
from jachess.network.assembly.probe import check_derivatives
from jachess.network.evaluation import call_of, evaluate
from jachess.network.graph import Array, Network, Node
from jachess.network.onnx.graph_nodes import needed_nodes, read_node
from jachess.network.onnx.tensors import read_tensors
from jachess.network.operations import TABLE

HERE = Path()
VERSION = ".".join(onnx.__version__.split(".")[:2])
PASSED = {"1.23": {"node": 974, "pytorch-converted": 79, "pytorch-operator": 34, "simple": 7}}
"""Cases whose first output is floating and whose operations we have; a skip that hides a failure would show here."""
COMPARED = {"1.23": (747, 371)}
"""Of these, how many derivatives are compared with differences, and with the complex step."""
PYTORCH_REFUSED = {"test_PReLU_1d_multiparam", "test_PReLU_2d_multiparam", "test_PReLU_3d_multiparam"}
"""Of the models of PyTorch: slopes of opset 6 with one number a channel, which mean something else since opset 7."""
SIZES = ("Range", "Resize", "OneHot")
"""Operations whose further inputs say how large the output is, or that have no derivative."""
SMALL = 400
"""Elements of inputs and outputs together that a case may have for its derivatives to be compared."""


@dataclass(frozen=True)
class Suited:
    """A case: a graph of operations that we know, its inputs and its recorded outputs."""

    name: str
    kind: str
    nodes: list[Node]
    values: dict[str, Array]
    inputs: tuple[str, ...]
    outputs: dict[str, Array]


def recorded(folder: Path) -> tuple[list[Array], list[Array]]:
    found = []
    for what in ("input", "output"):
        files = sorted(folder.glob(f"{what}_*.pb"), key=lambda file: int(file.stem.split("_")[1]))
        found.append([numpy_helper.to_array(onnx.load_tensor(str(file))) for file in files])
    return found[0], found[1]


def models() -> Iterator[tuple[str, str, Any, list[Any], list[Any]]]:
    """Name, kind, model, inputs and outputs of each case."""
    for kind in ("node", "pytorch-converted", "pytorch-operator", "simple"):
        for case in load_model_tests(kind=kind):
            if case.model is not None:
                for inputs, outputs in case.data_sets[:1]:
                    yield case.name, kind, case.model, inputs, outputs
            else:
                model = onnx.load(Path(case.model_dir) / "model.onnx")
                yield case.name, kind, model, *recorded(Path(case.model_dir) / "test_data_set_0")


def is_floating(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) and np.asarray(value).dtype in (np.float32, np.float64)


def prepared(name: str, kind: str, model: Any, inputs: list[Any], outputs: list[Any]) -> Suited:
    opset = next((entry.version for entry in model.opset_import if entry.domain == ""), 20)
    graph = (version_converter.convert_version(model, 20) if opset < 13 else model).graph
    nodes = [read_node(proto, HERE) for proto in needed_nodes(graph, [value.name for value in graph.output])]
    values = read_tensors(graph, HERE)
    names = [value.name for value in graph.input if value.name not in values]
    given = [np.asarray(x).astype(np.float64) if is_floating(x) else np.asarray(x) for x in inputs]
    values.update(zip(names, given, strict=False))
    made = {value.name: np.asarray(y) for value, y in zip(graph.output, outputs, strict=True)}
    return Suited(name, kind, expanded(nodes, values, ()), values, tuple(names), made)


@pytest.fixture(scope="module")
def suite() -> tuple[list[Suited], dict[str, str]]:
    """The cases that are read, and why the others are refused."""
    found, refused = [], {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, kind, model, inputs, outputs in models():
            tensors = all(isinstance(x, np.ndarray | np.generic) for x in (*inputs, *outputs))
            if tensors and is_floating(outputs[0]):
                try:
                    found.append(prepared(name, kind, model, inputs, outputs))
                except NetworkError as error:
                    refused[name] = str(error)
    return found, refused


def test_values_are_those_recorded(suite: tuple[list[Suited], dict[str, str]]) -> None:
    wrong = []
    for case in suite[0]:
        values = evaluate(case.nodes, case.values)
        for name, wanted in case.outputs.items():
            found = values[name].astype(wanted.dtype)
            if found.shape != wanted.shape or not np.allclose(found, wanted, 1e-3, 1e-6, equal_nan=True):
                wrong.append(f"{case.name}: {name}")
    assert not wrong
    kinds = [case.kind for case in suite[0]]
    assert VERSION not in PASSED or {kind: kinds.count(kind) for kind in PASSED[VERSION]} == PASSED[VERSION]


def test_all_models_of_pytorch_are_read(suite: tuple[list[Suited], dict[str, str]]) -> None:
    assert {name for name in suite[1] if name in PYTORCH_REFUSED or "operator" in name} == PYTORCH_REFUSED


class Rules:
    """First and second derivatives of a case along random directions, by the rules and by differences."""

    def __init__(self, case: Suited) -> None:
        self.case, self.random = case, np.random.default_rng(0)
        fixed = {name for node in case.nodes for name in node.inputs[1:] if node.operation in SIZES}
        self.variables = [n for n in case.inputs if case.values[n].dtype.kind == "f" and n not in fixed]
        self.made = list(case.outputs)
        self.network = Network(tuple(case.nodes), {}, (), np.zeros(0), (), "", self.made[0], ())
        self.direction = {name: self.random.normal(size=case.values[name].shape) for name in self.variables}
        self.state = self.at(0.0)
        self.seeds = {
            name: self.random.normal(size=self.state.values[name].shape)
            for name in self.made
            if self.state.values[name].dtype.kind == "f"
        }

    def at(self, step: complex) -> State:
        """All values after a step along the direction."""
        moved = {name: self.case.values[name] + step * v for name, v in self.direction.items()}
        values = evaluate(self.case.nodes, {**self.case.values, **moved})
        calls = (call_of(node, values, tuple(values[name] for name in node.outputs)) for node in self.case.nodes)
        return State(values, tuple(calls), 1)

    def pulled(self, state: State, targets: Any = None) -> Mapping[str, Array]:
        return pull_cotangents(self.network, state, self.seeds, self.variables if targets is None else targets)

    def second(self) -> tuple[dict[str, Array], Mapping[str, Array]]:
        """Tangents of the outputs, and responses of the cotangents of the inputs."""
        rows = {name: v[None] for name, v in self.direction.items()}
        tangents = push_tangents(self.network, self.state, rows)
        everything = {name for node in self.case.nodes for name in (*node.inputs, *node.outputs)}
        delta = self.pulled(self.state, everything)
        zero = {name: np.zeros((1, *seed.shape)) for name, seed in self.seeds.items()}
        return (
            {name: tangents[name][0] for name in self.seeds if name in tangents},  # type: ignore[index]
            pull_tangents_of_cotangents(self.network, self.state, tangents, delta, zero, self.variables),
        )

    def sides(self, state: State) -> list[Array]:
        pairs = zip(self.case.nodes, state.calls, strict=True)
        return [np.asarray(rule(call)) for node, call in pairs if (rule := TABLE[node.operation].sides) is not None]

    def have_derivatives(self) -> bool:
        """Whether the network would be read: what varies passes operations with derivatives, and stays finite."""
        try:
            check_derivatives(self.case.nodes, self.state.values, self.variables)
        except NetworkError:
            return False
        rows = {name: v[None] for name, v in self.direction.items()}
        return all(np.isfinite(t).all() for t in push_tangents(self.network, self.state, rows).values())

    def steps(self, step: float) -> tuple[State, State] | None:
        """The states on both sides, if no kink lies between."""
        left, right = self.at(-step), self.at(step)
        here = self.sides(self.state)
        same = all(np.array_equal(a, b) for side in (left, right) for a, b in zip(here, self.sides(side), strict=True))
        return (left, right) if same else None


def differs(ours: Array | None, theirs: Array, tolerance: float, scale: float) -> bool:
    return bool(np.abs((0 if ours is None else ours) - theirs).max(initial=0) > tolerance * scale)


def test_derivatives_of_all_small_cases(suite: tuple[list[Suited], dict[str, str]]) -> None:
    wrong, n_compared, n_analytic = [], 0, 0
    for case in suite[0]:
        rules = Rules(case)
        size = sum(case.values[name].size for name in rules.variables) + sum(y.size for y in case.outputs.values())
        finite = all(np.isfinite(value).all() for value in rules.state.values.values() if value.dtype.kind == "f")
        step = 1e-6
        sides = rules.steps(step) if rules.variables and size <= SMALL and finite else None
        if sides is None or not rules.have_derivatives():
            continue
        n_compared += 1
        tangents, responses = rules.second()
        (left, right), pulled = sides, [rules.pulled(side) for side in sides]
        scale = max(1.0, *(np.abs(rules.state.values[name]).max(initial=0) for name in rules.seeds))
        for name in rules.seeds:
            difference = (right.values[name] - left.values[name]) / (2 * step)
            if differs(tangents.get(name), difference, 1e-6, max(scale, np.abs(difference).max(initial=0))):
                wrong.append(f"{case.name}: tangent of {name}")
        for name in rules.variables:
            if name in pulled[0]:
                difference = (pulled[1][name] - pulled[0][name]) / (2 * step)
                response, size = responses.get(name), np.abs(pulled[0][name]).max(initial=0)
                ours = None if response is None else response[0]
                if differs(ours, difference, 1e-6, max(1.0, size, np.abs(difference).max(initial=0))):
                    wrong.append(f"{case.name}: curvature of {name}")
        along = sum(float((tangents[name] * seed).sum()) for name, seed in rules.seeds.items() if name in tangents)
        back = sum(float((rules.direction[name] * p).sum()) for name, p in rules.pulled(rules.state).items())
        if abs(along - back) > 1e-9 * max(1.0, abs(along)):
            wrong.append(f"{case.name}: cotangent")
        if all(TABLE[node.operation].analytic or TABLE[node.operation].moves for node in case.nodes):
            n_analytic += 1
            beside = rules.at(1e-30j)
            for name in rules.seeds:
                if differs(tangents.get(name), beside.values[name].imag / 1e-30, 1e-12, scale):
                    wrong.append(f"{case.name}: complex step of {name}")
    assert not wrong
    assert VERSION not in PASSED or (n_compared, n_analytic) == COMPARED[VERSION]
