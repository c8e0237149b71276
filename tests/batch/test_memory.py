"""The plan's memory is an upper bound of what a worker takes, and not a wild one; what is allowed is obeyed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from benchmarks.cases import Case
from benchmarks.peers.ours import save_network
from onnx import TensorProto, helper, numpy_helper

from jachess.batch.job import Job, job_of
from jachess.batch.planning import task_memory
from jachess.batch.run import plan_job
from jachess.errors import PlanError
from tests.batch.peak import peak_of
from tests.conftest import Files, longer

MIB = 2**20


@dataclass(frozen=True)
class Measured:
    """A quantity of a network whose peak is measured: a chain of tanh layers, or another topology of that width."""

    quantity: str
    sizes: tuple[int, ...]
    n_points: int
    topology: str = "chain"
    memory: str | None = None
    dtype: str = "float64"
    triangle: str = "both"

    @property
    def name(self) -> str:
        extras = [text for text in (self.memory, self.dtype, self.triangle) if text not in (None, "float64", "both")]
        return "-".join([self.quantity, self.topology, *map(str, self.sizes), f"N{self.n_points}", *map(str, extras)])

    def job(self, folder: Path) -> Job:
        random = np.random.default_rng(0)
        if self.topology == "chain":
            save_network(Case(self.quantity, self.sizes), folder / "network.onnx")
        else:
            TOPOLOGIES[self.topology](folder / "network.onnx", *self.sizes)
        np.save(folder / "points.npy", random.normal(size=(self.n_points, self.sizes[0])))
        np.save(folder / "targets.npy", random.normal(size=(self.n_points, self.sizes[-1])))
        keys = {key: str(folder / f"{key}.npy") for key in ("points", "targets")}
        keys |= {"network": str(folder / "network.onnx"), "out": str(folder / "out.zarr")}
        options = {"memory": self.memory} if self.memory else {}
        return job_of(
            {**keys, **options, "compute": [self.quantity], "error": "sum-of-squares", "dtype": self.dtype,
             "triangle": self.triangle}
        )  # fmt: skip


def save_blocks(path: Path, n_inputs: int, depth: int, n_outputs: int, *, shared: bool) -> None:
    """Gemm, Tanh, a gain for each unit (which enters no layer), and a way around; perhaps always the same weights."""
    random = np.random.default_rng(0)
    nodes, tensors, z = [], {}, "x"
    for number in range(depth):
        which = 0 if shared else number
        tensors[f"w{which}"] = random.normal(size=(n_inputs, n_inputs)) / n_inputs**0.5
        tensors[f"g{number}"] = random.normal(size=n_inputs)
        nodes += [
            helper.make_node("Gemm", [z, f"w{which}"], [f"a{number}"], transB=1),
            helper.make_node("Tanh", [f"a{number}"], [f"h{number}"]),
            helper.make_node("Mul", [f"h{number}", f"g{number}"], [f"m{number}"]),
            helper.make_node("Add", [f"m{number}", z], [f"z{number}"]),
        ]
        z = f"z{number}"
    tensors["last"] = random.normal(size=(n_outputs, n_inputs)) / n_inputs**0.5
    nodes.append(helper.make_node("Gemm", [z, "last"], ["y"], transB=1))
    ends = (("x", n_inputs), ("y", n_outputs))
    x, y = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n", width]) for name, width in ends)
    graph = helper.make_graph(nodes, "blocks", [x], [y], [numpy_helper.from_array(w, n) for n, w in tensors.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def save_convolution(path: Path, n_inputs: int, channels: int, n_outputs: int) -> None:
    """Two convolutions of 5 by 5 over a square picture, tanh and a pooling between them, and a layer."""
    random, edge = np.random.default_rng(0), round(n_inputs**0.5)
    shapes = {
        "k0": (channels, 1, 5, 5),
        "k1": (channels, channels, 5, 5),
        "last": (n_outputs, channels * (edge // 2) ** 2),
    }
    tensors = {name: random.normal(size=shape) / np.prod(shape[1:]) ** 0.5 for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Reshape", ["x", "picture"], ["p"]),
        helper.make_node("Conv", ["p", "k0"], ["a0"], pads=[2, 2, 2, 2]),
        helper.make_node("Tanh", ["a0"], ["z0"]),
        helper.make_node("MaxPool", ["z0"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["m", "k1"], ["a1"], pads=[2, 2, 2, 2]),
        helper.make_node("Tanh", ["a1"], ["z1"]),
        helper.make_node("Flatten", ["z1"], ["f"]),
        helper.make_node("Gemm", ["f", "last"], ["y"], transB=1),
    ]
    ends = (("x", n_inputs), ("y", n_outputs))
    x, y = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n", width]) for name, width in ends)
    given = [numpy_helper.from_array(w, n) for n, w in tensors.items()]
    given.append(numpy_helper.from_array(np.array([-1, 1, edge, edge]), "picture"))
    graph = helper.make_graph(nodes, "convolution", [x], [y], given)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def save_tokens(path: Path, n_inputs: int, width: int, n_outputs: int) -> None:
    """Four tokens folded into the points' axis, twice through one matrix, and a layer of what comes of all of them."""
    random, each = np.random.default_rng(0), n_inputs // 4
    shapes = {"first": (width, each), "block": (width, width), "shift": (width,), "last": (n_outputs, 4 * width)}
    tensors = {name: random.normal(size=shape) / shape[-1] ** 0.5 for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["r"]),
        helper.make_node("Gemm", ["r", "first"], ["a0"], transB=1),
        helper.make_node("Tanh", ["a0"], ["z0"]),
        helper.make_node("Gemm", ["z0", "block", "shift"], ["a1"], transB=1),
        helper.make_node("Tanh", ["a1"], ["z1"]),
        helper.make_node("Gemm", ["z1", "block", "shift"], ["a2"], transB=1),
        helper.make_node("Tanh", ["a2"], ["z2"]),
        helper.make_node("Reshape", ["z2", "apart"], ["f"]),
        helper.make_node("Gemm", ["f", "last"], ["y"], transB=1),
    ]
    ends = (("x", n_inputs), ("y", n_outputs))
    x, y = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n", size]) for name, size in ends)
    given = [numpy_helper.from_array(w, n) for n, w in tensors.items()]
    given += [numpy_helper.from_array(np.array([-1, n]), name) for n, name in ((each, "rows"), (4 * width, "apart"))]
    graph = helper.make_graph(nodes, "tokens", [x], [y], given)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


TOPOLOGIES: dict[str, Callable[..., None]] = {
    "convolution": save_convolution,
    "gains": lambda path, *sizes: save_blocks(path, *sizes, shared=False),
    "tokens": save_tokens,
    "shared": lambda path, *sizes: save_blocks(path, *sizes, shared=True),
}

FEW, SOME, MANY = (4, 10, 5), (64, 96, 32, 10), (200, 400, 40, 20)
"""About 100, 10,000 and 100,000 weights."""
DEFAULT = [
    Measured("hessian", FEW, 10_000),
    Measured("hessian", SOME, 200),
    Measured("hessian", (30, 3, 10), 1000, "shared"),
    Measured("hessian", (80, 20, 5), 500, "tokens"),
    Measured("gradient", SOME, 10),
    Measured("jacobian", FEW, 100_000),
    Measured("gradient", (144, 4, 10), 300, "convolution"),
    Measured("weight_jacobian", SOME, 50),
    Measured("input_hessian", (40, 60, 10), 100),
]
SLOW = [
    *(Measured("hessian", FEW, n) for n in (10, 10**6)),
    *(Measured("hessian", SOME, n) for n in (10, 2000)),
    *(Measured("hessian", SOME, 200, memory=memory) for memory in ("200MiB", "320MiB", "640MiB")),
    *(Measured("hessian", MANY, 10, memory=memory) for memory in ("360MiB", "1GiB", None)),
    Measured("hessian", MANY, 10, dtype="float32"),
    Measured("hessian", MANY, 10, triangle="upper"),
    Measured("hessian", (10, 20, 5), 2000, "gains"),
    Measured("hessian", (90, 3, 5), 300, "gains"),
    Measured("hessian", (60, 3, 5), 300, "shared"),
    *(Measured("gradient", FEW, n) for n in (10, 10**6)),
    *(Measured("gradient", MANY, n) for n in (10, 10**4)),
    *(Measured("jacobian", FEW, n) for n in (10, 10**6)),
    *(Measured("jacobian", MANY, n) for n in (10, 10**4)),
    Measured("jacobian", MANY, 10**4, memory="160MiB"),
    Measured("jacobian", MANY, 10**4, dtype="float32"),
    Measured("jacobian", (2000, 10, 5000), 4),
    Measured("jacobian", (784, 64, 784), 200),
    Measured("jacobian", (90, 3, 5), 300, "gains"),
    *(Measured("outer_product", sizes, 200) for sizes in (FEW, SOME)),
    *(Measured("block_diagonal", sizes, 200) for sizes in (FEW, SOME)),
    Measured("outer_product_blocks", SOME, 200),
    *(Measured("diagonal", sizes, 200) for sizes in (FEW, SOME, MANY)),
    Measured("diagonal", (30, 3, 10), 1000, "shared"),
    Measured("diagonal", (144, 4, 10), 300, "convolution"),
    Measured("outer_product_diagonal", SOME, 200),
    Measured("block_diagonal", (30, 3, 10), 1000, "shared"),
    *(Measured("weight_jacobian", FEW, n) for n in (10, 10**5)),
    Measured("weight_jacobian", MANY, 100),
    *(Measured("input_hessian", FEW, n) for n in (10, 10**5)),
    Measured("input_hessian", MANY, 20),
    *(Measured(q, (784, 4, 10), 300, "convolution") for q in ("jacobian", "outputs", "gradient", "weight_jacobian")),
    Measured("jacobian", (784, 16, 10), 2000, "convolution", memory="512MiB"),
    Measured("gradient", (784, 16, 10), 2000, "convolution", memory="512MiB"),
    Measured("block_diagonal", (144, 4, 10), 300, "convolution"),
    *(Measured("hessian", (144, 4, 10), 300, "convolution", memory=memory) for memory in (None, "256MiB")),
    *(Measured("hessian", (64, 16, 10), n, "convolution") for n in (10, 300)),
    *(Measured("hessian", (160, 50, 5), n, "tokens") for n in (10, 300)),
    Measured("input_hessian", (144, 4, 10), 20, "convolution"),
    *(Measured("outputs", FEW, n) for n in (10, 10**6)),
    Measured("outputs", MANY, 10**5),
]


@pytest.mark.parametrize("case", [*DEFAULT, *longer(SLOW)], ids=lambda case: case.name)
def test_what_a_worker_takes_is_what_the_plan_says(case: Measured, tmp_path: Path) -> None:
    prepared = plan_job(case.job(tmp_path))
    peak, bound = peak_of(prepared, case.quantity), task_memory(prepared.plan)
    print(f"{case.name}: peak {peak / MIB:.0f} MiB, plan {bound / MIB:.0f} MiB, {bound / peak:.2f}")
    assert peak <= bound <= 3 * peak
    assert prepared.job.memory is None or bound <= prepared.job.memory


@pytest.mark.parametrize("quantity", ["hessian", "gradient", "jacobian", "outputs"])
@pytest.mark.parametrize("sizes", [FEW, SOME], ids=str)
def test_the_least_memory_is_named(quantity: str, sizes: tuple[int, ...], tmp_path: Path) -> None:
    """By bisection: less is refused, and each refusal names the same memory, which suffices."""
    job = Measured(quantity, sizes, 5000).job(tmp_path)
    refused, enough, named = 0, 2**31, set()
    while enough - refused > MIB // 4:
        memory = (refused + enough) // 2
        try:
            assert task_memory(plan_job(replace(job, memory=memory)).plan) <= memory
            enough = memory
        except PlanError as error:
            named.add(str(error).rpartition("--memory ")[2].rstrip("."))
            refused = memory
    assert named == {f"{-(-enough // MIB)}MiB"}


def test_points_that_are_held_count(files: Files, tmp_path: Path) -> None:
    """An .npz is read whole, so that each worker holds it; a .npy is not."""
    points = np.zeros((10**6, 4))
    np.save(tmp_path / "points.npy", points)
    np.savez(tmp_path / "points.npz", points=points)
    one, two = (
        task_memory(plan_job(files.job(points=str(tmp_path / f"points.{kind}"), compute=["outputs"])).plan)
        for kind in ("npy", "npz")
    )
    assert two - one == points.nbytes
