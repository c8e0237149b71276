"""Reading ONNX files: what exporters write is understood, what is broken or hostile is refused before it does harm."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from jachess import hessian, jacobian, read_network
from jachess.backprop.propagation import outputs
from jachess.errors import NetworkError
from jachess.network.assembly import expansion
from jachess.network.graph import Array
from jachess.network.onnx import conversion

RANDOM = np.random.default_rng(3)
POINTS = RANDOM.normal(size=(7, 4))
NUMBERS = {
    "A": RANDOM.normal(size=(6, 4)).astype(np.float32),
    "a": RANDOM.normal(size=6).astype(np.float32),
    "B": RANDOM.normal(size=(3, 6)).astype(np.float32),
    "b": RANDOM.normal(size=3).astype(np.float32),
}
HIDDEN = [helper.make_node("Gemm", ["x", "A", "a"], ["h"], transB=1), helper.make_node("Tanh", ["h"], ["z"])]
OUTPUT = helper.make_node("Gemm", ["z", "B", "b"], ["y"], transB=1)


def model(
    nodes: list[Any] | None = None,
    numbers: dict[str, Array] | None = None,
    *,
    opset: int = 17,
    batch: str | int = "N",
    outputs: tuple[str, ...] = ("y",),
    inputs: dict[str, tuple[int, list[Any]]] | None = None,
    **extra: Any,
) -> Any:
    """A model of one hidden layer, or with the nodes given."""
    tensors = [numpy_helper.from_array(array, name) for name, array in {**NUMBERS, **(numbers or {})}.items()]
    given = inputs or {"x": (TensorProto.FLOAT, [batch, 4])}
    graph = helper.make_graph(
        [*HIDDEN, OUTPUT] if nodes is None else nodes,
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in given.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in outputs],
        tensors,
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, **extra)


def saved(made: Any, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path


def tampered(change: Callable[[Any], Any], **keys: Any) -> Any:
    made = model(**keys)
    change(made)
    return made


def constant(name: str, value: Any) -> Any:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value)))


# --- what exporters write -------------------------------------------------------------------------------------------

HALVES = [constant("three", 3), constant("first", 0), constant("second", 1)]
SPLIT = helper.make_node("SplitToSequence", ["h", "three"], ["parts"], axis=1)
TAKE = [helper.make_node("SequenceAt", ["parts", p], [f"{p}_part"]) for p in ("first", "second")]
GATE = [
    helper.make_node("Sigmoid", ["second_part"], ["gate"]),
    helper.make_node("Mul", ["first_part", "gate"], ["z"]),
    helper.make_node("Gemm", ["z", "B", "b"], ["y"]),
]
SHAPES = [
    helper.make_node("Shape", ["x"], ["shape"]),
    constant("zero", 0),
    constant("minus", [-1]),
    constant("axis", [0]),
    helper.make_node("Gather", ["shape", "zero"], ["n"]),
    helper.make_node("Unsqueeze", ["n", "axis"], ["n1"]),
    helper.make_node("Concat", ["n1", "minus"], ["new"], axis=0),
    helper.make_node("Reshape", ["z", "new"], ["flat"]),
    helper.make_node("Gemm", ["flat", "B", "b"], ["y"], transB=1),
]


def branch(operation: str) -> Any:
    nodes = [helper.make_node(operation, ["z"], [f"{operation}_z"]),
             helper.make_node("Gemm", [f"{operation}_z", "B", "b"], [f"{operation}_y"], transB=1)]  # fmt: skip
    output = helper.make_tensor_value_info(f"{operation}_y", TensorProto.FLOAT, [None, None])
    return helper.make_graph(nodes, operation, [], [output])


CHOICE = helper.make_node("If", ["wide"], ["y"], then_branch=branch("Sigmoid"), else_branch=branch("Sin"))
CONDITION = [
    helper.make_node("Shape", ["z"], ["shape"]),
    constant("one", 1),
    constant("five", 5),
    helper.make_node("Gather", ["shape", "one"], ["width"]),
    helper.make_node("Greater", ["width", "five"], ["wide"]),
    CHOICE,
]

GOOD: dict[str, Any] = {
    "plain": model(),
    "opset 13": model(opset=13),
    "opset 24": model(opset=24),
    "opset 9, converted": model(opset=9),
    "frozen batch, harmless": model(batch=1),
    "chunks of a sequence": model([HIDDEN[0], *HALVES, SPLIT, *TAKE, *GATE], {"B": NUMBERS["B"][:, :3].T.copy()}),
    "shape arithmetic": model([*HIDDEN, *SHAPES]),
    "dropout": model([*HIDDEN, helper.make_node("Dropout", ["z"], ["d"]),
                      helper.make_node("Gemm", ["d", "B", "b"], ["y"], transB=1)]),
    "half precision": model([helper.make_node("Cast", ["x"], ["x16"], to=TensorProto.FLOAT), *HIDDEN, OUTPUT]),
    "transposed weights": model([helper.make_node("MatMul", ["x", "At"], ["m"]),
                                 helper.make_node("Add", ["m", "a"], ["h"]), HIDDEN[1], OUTPUT],
                                {"At": NUMBERS["A"].T.copy()}),
    "standardised points": model([helper.make_node("Scaler", ["x"], ["s"], domain="ai.onnx.ml", offset=[0.5] * 4,
                                                   scale=[2.0] * 4),
                                  helper.make_node("Gemm", ["s", "A", "a"], ["h"], transB=1), HIDDEN[1], OUTPUT]),
    "names of classes": tampered(lambda m: m.graph.initializer.append(
        helper.make_tensor("classes", TensorProto.STRING, [3], [b"a", b"b", b"c"]))),
    "a condition on shapes": model([*HIDDEN, *CONDITION]),
    "a mask of infinities": model([*HIDDEN, constant("mask", np.array([[0, -np.inf, 0, 0, -np.inf, 0]], np.float32)),
                                   helper.make_node("Add", ["z", "mask"], ["m"]),
                                   helper.make_node("Softmax", ["m"], ["s"], axis=-1),
                                   helper.make_node("Gemm", ["s", "B", "b"], ["y"], transB=1)]),
    "recurrence": model([constant("three", [0, 2, 2]), helper.make_node("Reshape", ["x", "three"], ["steps"]),
                         helper.make_node("LSTM", ["steps", "W", "R", "", "", "", ""], ["Y", "Yh"], hidden_size=3,
                                          layout=1),
                         helper.make_node("Flatten", ["Yh"], ["y"])],
                        {"W": NUMBERS["A"].reshape(1, 12, 2), "R": np.ones((1, 12, 3), np.float32) / 3}),
    "a branch that leads nowhere": model([*HIDDEN, OUTPUT, helper.make_node("NonZero", ["y"], ["unused"])]),
}  # fmt: skip


@pytest.mark.parametrize("made", GOOD.values(), ids=GOOD)
def test_outputs_are_those_of_the_reference(made: Any, tmp_path: Path) -> None:
    net = read_network(saved(made, tmp_path))
    wide = onnx.ModelProto()
    wide.CopyFrom(made)
    (wanted,) = ReferenceEvaluator(wide).run(None, {"x": POINTS.astype(np.float32)})
    found = outputs(net, (POINTS.astype(np.float32).astype(np.float64),))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-5 * np.abs(wanted).max())


def test_sparse_tensors_are_weights_with_zeros(tmp_path: Path) -> None:
    dense = NUMBERS["A"] * (RANDOM.random(size=(6, 4)) < 0.5)
    places = np.argwhere(dense)
    for indices in (places, np.ravel_multi_index(tuple(places.T), dense.shape)):
        made = model(numbers={"A": dense})
        values = numpy_helper.from_array(dense[tuple(places.T)], "A")
        sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(indices.astype(np.int64), "i"), [6, 4])
        made.graph.sparse_initializer.append(sparse)
        made.graph.initializer.remove(next(t for t in made.graph.initializer if t.name == "A"))
        net = read_network(saved(made, tmp_path), weights=["A"])
        np.testing.assert_array_equal(net.w, dense.ravel())


def test_external_data_is_read_from_beside_the_file(tmp_path: Path) -> None:
    wanted = jacobian(read_network(saved(model(), tmp_path)), POINTS)
    onnx.save_model(model(), tmp_path / "apart.onnx", save_as_external_data=True, location="w.data", size_threshold=0)
    assert (tmp_path / "w.data").stat().st_size > 0
    np.testing.assert_array_equal(jacobian(read_network(tmp_path / "apart.onnx"), POINTS), wanted)


def test_local_functions_are_expanded(tmp_path: Path) -> None:
    made = model([helper.make_node("Hidden", ["x", "A", "a"], ["z"], domain="mine"), OUTPUT])
    made.functions.append(
        helper.make_function("mine", "Hidden", ["x", "A", "a"], ["z"], HIDDEN, [helper.make_opsetid("", 17)])
    )
    made.opset_import.append(helper.make_opsetid("mine", 1))
    np.testing.assert_array_equal(
        jacobian(read_network(saved(made, tmp_path)), POINTS), jacobian(read_network(saved(model(), tmp_path)), POINTS)
    )


def test_several_outputs_are_joined_or_chosen(tmp_path: Path) -> None:
    second = helper.make_node("Softplus", ["h"], ["more"])
    path = saved(model([*HIDDEN, OUTPUT, second], outputs=("y", "more")), tmp_path)
    both, one = read_network(path), read_network(path, output="more")
    assert both.n_outputs == 9
    assert "2 outputs joined: y, more" in both.notes
    np.testing.assert_array_equal(jacobian(both, POINTS)[:, 3:], jacobian(one, POINTS))


def test_probabilities_behind_a_zipmap(tmp_path: Path) -> None:
    nodes = [*HIDDEN, OUTPUT, helper.make_node("Softmax", ["y"], ["p"], axis=1),
             helper.make_node("ZipMap", ["p"], ["map"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2])]  # fmt: skip
    made = model(nodes, outputs=("map",))
    made.graph.output[0].type.CopyFrom(
        helper.make_sequence_type_proto(
            helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
        )
    )
    net = read_network(saved(made, tmp_path))
    np.testing.assert_allclose(outputs(net, (POINTS,)).sum(axis=1), 1)


def test_a_stacked_regressor_is_unstacked(tmp_path: Path) -> None:
    stack = [constant("column", [-1, 1]), helper.make_node("Reshape", ["y", "column"], ["stacked"])]
    net = read_network(saved(model([*HIDDEN, OUTPUT, *stack], outputs=("stacked",)), tmp_path))
    assert net.output_shape == (3,)
    assert any("left out" in note for note in net.notes)


def test_coefficients_in_attributes_are_weights(tmp_path: Path) -> None:
    flat = {"coefficients": NUMBERS["B"].ravel()[:12].tolist(), "intercepts": NUMBERS["b"].tolist()}
    linear = helper.make_node("LinearClassifier", ["x"], ["label", "y"], name="model", domain="ai.onnx.ml",
                              post_transform="SOFTMAX", classlabels_ints=[0, 1, 2], **flat)  # fmt: skip
    linear.output[1] = "p"
    again = helper.make_node("Normalizer", ["p"], ["y"], domain="ai.onnx.ml", norm="L1")  # as skl2onnx has it
    net = read_network(saved(model([linear, again]), tmp_path))
    assert [(w.name, w.shape) for w in net.weights] == [("model.coefficients", (3, 4)), ("model.intercepts", (3,))]
    same = [helper.make_node("Gemm", ["x", "C", "b"], ["h"], transB=1), helper.make_node("Softmax", ["h"], ["y"])]
    plain = read_network(saved(model(same, {"C": np.array(flat["coefficients"], np.float32).reshape(3, 4)}), tmp_path))
    classes = np.arange(len(POINTS)) % 3
    ours = hessian(net, POINTS, classes, error="cross-entropy")
    theirs = hessian(plain, POINTS, classes, error="cross-entropy")
    order = np.r_[3:15, 0:3]  # in the other file the biases come first
    np.testing.assert_allclose(ours, theirs[np.ix_(order, order)], rtol=1e-12)


def test_a_second_input_is_constant_for_each_point(tmp_path: Path) -> None:
    nodes = [*HIDDEN, helper.make_node("Mul", ["z", "u"], ["zu"]),
             helper.make_node("Gemm", ["zu", "B", "b"], ["y"], transB=1)]  # fmt: skip
    given = {"x": (TensorProto.FLOAT, ["N", 4]), "u": (TensorProto.FLOAT, ["N", 6])}
    path = saved(model(nodes, inputs=given), tmp_path)
    u = RANDOM.normal(size=(7, 6))
    assert jacobian(read_network(path), [POINTS, u]).shape == (7, 3, 4)
    assert jacobian(read_network(path, input="u"), [POINTS, u]).shape == (7, 3, 6)


# --- which tensors are weights --------------------------------------------------------------------------------------


def names(net: Any) -> list[str]:
    return [weight.name for weight in net.weights]


SCALED = [
    helper.make_node("Sub", ["x", "mean"], ["c"]),
    helper.make_node("Div", ["c", "scale"], ["s"]),
    helper.make_node("Gemm", ["s", "A", "a"], ["h"], transB=1),
    helper.make_node("PRelu", ["h", "slope"], ["z"]),
    helper.make_node("MatMul", ["z", "Bt"], ["m"]),
    helper.make_node("Add", ["m", "b"], ["y"]),
]
SCALES = {
    "mean": np.ones(4, np.float32),
    "scale": np.full(4, 2, np.float32),
    "slope": np.full(6, 0.25, np.float32),
    "Bt": NUMBERS["B"].T.copy(),
}


def test_weights_are_where_weights_usually_stand(tmp_path: Path) -> None:
    net = read_network(saved(model(SCALED, SCALES), tmp_path))
    assert names(net) == ["A", "a", "b", "slope", "Bt"]  # the order of the file's list, unused "B" left out
    assert [w.offset for w in net.weights] == [0, 24, 30, 33, 39]
    assert any("mean, scale" in note for note in net.notes)


def test_weights_of_normalisations_and_convolutions(tmp_path: Path) -> None:
    """Scale and shift are weights, running statistics are not; so are kernels behind what only moves them."""
    nodes = [constant("image", [0, 1, 2, 2]), helper.make_node("Reshape", ["x", "image"], ["i"]),
             helper.make_node("Concat", ["K1", "K2"], ["K"], axis=0),
             helper.make_node("Conv", ["i", "K", "k"], ["c"], pads=[1, 1, 1, 1]),
             helper.make_node("BatchNormalization", ["c", "g", "s", "m", "v"], ["n"]),
             helper.make_node("Flatten", ["n"], ["y"])]  # fmt: skip
    one = np.ones(2, np.float32)
    numbers = {"K1": np.ones((1, 1, 2, 2), np.float32), "K2": np.ones((1, 1, 2, 2), np.float32), "k": one, "g": one,
               "s": one, "m": one, "v": one}  # fmt: skip
    assert names(read_network(saved(model(nodes, numbers), tmp_path))) == ["K1", "K2", "k", "g", "s"]


STEPS = [constant("three", [0, 2, 2]), helper.make_node("Reshape", ["x", "three"], ["x2"]),
         helper.make_node("Transpose", ["x2"], ["steps"], perm=[1, 0, 2])]  # fmt: skip
PIECES = [
    constant("nil", np.zeros((1, 1, 3), np.float32)),
    *[constant(f"at{i}", [i]) for i in (0, 1)],
    helper.make_node("Shape", ["x"], ["n"], start=0, end=1),
    helper.make_node("Concat", ["at1", "n", "at1"], ["wanted"], axis=0),
    helper.make_node("Expand", ["nil", "wanted"], ["before"]),
    helper.make_node("Shape", ["before"], ["end"], start=2, end=3),
    helper.make_node("Add", ["end", "end"], ["end2"]),
    helper.make_node("Add", ["end", "end2"], ["end3"]),
    helper.make_node("Slice", ["W", "at0", "end", "at0"], ["W_reset"]),
    helper.make_node("Slice", ["W", "end", "end2", "at0"], ["W_update"]),
    helper.make_node("Slice", ["W", "end2", "end3", "at0"], ["W_new"]),
    helper.make_node("Concat", ["W_update", "W_reset", "W_new"], ["W_all"], axis=0),
    helper.make_node("Unsqueeze", ["W_all", "at0"], ["W_gru"]),
    helper.make_node("GRU", ["steps", "W_gru", "R", "", "", "before"], ["", "last"], hidden_size=3),
    helper.make_node("Squeeze", ["last", "at0"], ["y"]),
]
GROUPS = [
    constant("to_groups", [0, 2, -1]),
    helper.make_node("Reshape", ["h", "to_groups"], ["g"]),
    helper.make_node("InstanceNormalization", ["g", "ones", "zeros"], ["g2"]),
    helper.make_node("Shape", ["h"], ["back"]),
    helper.make_node("Reshape", ["g2", "back"], ["h2"]),
    helper.make_node("CastLike", ["scale", "h2"], ["like"]),
    helper.make_node("Mul", ["h2", "like"], ["h3"]),
    helper.make_node("Add", ["h3", "shift"], ["z"]),
]
ROOT = [
    constant("power", np.float32(2)),
    constant("last", [-1]),
    helper.make_node("Pow", ["h", "power"], ["h2"]),
    helper.make_node("ReduceMean", ["h2", "last"], ["mean"]),
    helper.make_node("Add", ["mean", "eps"], ["variance"]),
    helper.make_node("Sqrt", ["variance"], ["root"]),
]
DIVIDED = [helper.make_node("Div", ["h", "root"], ["h3"])]
INVERTED = [helper.make_node("Reciprocal", ["root"], ["inverse"]), helper.make_node("Mul", ["h", "inverse"], ["h3"])]
SCALE = helper.make_node("Mul", ["h3", "scale"], ["z"])
NORMED = [
    constant("rows", [1]),
    helper.make_node("ReduceL2", ["v", "rows"], ["length"]),
    helper.make_node("Div", ["v", "length"], ["direction"]),
    helper.make_node("Mul", ["direction", "g"], ["product"]),
    helper.make_node("Gemm", ["x", "product", "a"], ["h"], transB=1),
    HIDDEN[1],
]
STATES = [
    constant("six", [6]),
    helper.make_node("Shape", ["x"], ["n"], start=0, end=1),
    helper.make_node("Concat", ["n", "six"], ["many"], axis=0),
    helper.make_node("Expand", ["nil", "many"], ["before"]),
    helper.make_node("MatMul", ["before", "R"], ["h1"]),
    helper.make_node("Add", ["h1", "h"], ["h2"]),
    helper.make_node("Tanh", ["h2"], ["after"]),
    helper.make_node("Mul", ["after", "z"], ["z2"]),
    helper.make_node("Gemm", ["z2", "B", "b"], ["y"], transB=1),
]
SIX = RANDOM.normal(size=6).astype(np.float32)
FILLED = {"ones": np.ones(2, np.float32), "zeros": np.zeros(2, np.float32), "scale": SIX, "shift": SIX}
RECURRENT = {"W": RANDOM.normal(size=(9, 2)).astype(np.float32), "R": np.ones((1, 9, 3), np.float32)}
MASK = np.array([[0, -np.inf, 0, 0, -np.inf, 0]], np.float32)
SCALED_BY = {"eps": np.float32(1e-5), "scale": SIX}
EXPORTED: dict[str, tuple[list[Any], dict[str, Array], list[str]]] = {
    "recurrence in pieces, cut where a shape says": ([*STEPS, *PIECES], RECURRENT, ["W", "R"]),
    "normalisation of groups": ([HIDDEN[0], *GROUPS, OUTPUT], FILLED, ["A", "a", "B", "b", "scale", "shift"]),
    "scale behind a quotient": ([HIDDEN[0], *ROOT, *DIVIDED, SCALE, OUTPUT], SCALED_BY, ["A", "a", "B", "b", "scale"]),
    "scale behind an inverse": ([HIDDEN[0], *ROOT, *INVERTED, SCALE, OUTPUT], SCALED_BY, ["A", "a", "B", "b", "scale"]),
    "weight normalisation": ([*NORMED, OUTPUT], {"g": SIX[:, None], "v": NUMBERS["A"]}, ["a", "B", "b", "g", "v"]),
    "states before the first step": ([*HIDDEN, *STATES], {"nil": np.zeros((1, 6), np.float32), "R": SIX[:, None] * SIX},
                                     ["A", "a", "B", "b", "R"]),
    "points scaled to a range": ([helper.make_node("Mul", ["x", "factor"], ["f"]),
                                  helper.make_node("Add", ["f", "least"], ["s"]),
                                  helper.make_node("Gemm", ["s", "A", "a"], ["h"], transB=1), HIDDEN[1], OUTPUT],
                                 {"factor": SIX[:4], "least": SIX[:4]}, ["A", "a", "B", "b"]),
    "mask of infinities": ([*HIDDEN, helper.make_node("Add", ["z", "mask"], ["m"]),
                            helper.make_node("Softmax", ["m"], ["s"]), helper.make_node("Gemm", ["s", "B"], ["y"],
                                                                                        transB=1)],
                           {"mask": MASK}, ["A", "a", "B"]),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "numbers", "wanted"), EXPORTED.values(), ids=EXPORTED)
def test_weights_in_what_exporters_write(
    nodes: list[Any], numbers: dict[str, Array], wanted: list[str], tmp_path: Path
) -> None:
    assert names(read_network(saved(model(nodes, numbers, opset=18), tmp_path))) == wanted


def test_weights_by_name_and_by_predicate(tmp_path: Path) -> None:
    path = saved(model(SCALED, SCALES), tmp_path)
    assert names(read_network(path, weights=["scale", "A"])) == ["A", "scale"]
    assert names(read_network(path, weights=lambda name, array: array.ndim == 2 and name != "B")) == ["A", "Bt"]
    full = hessian(read_network(path), POINTS, RANDOM.normal(size=(7, 3)) * 0, error="sum-of-squares")
    part = hessian(read_network(path, weights=["slope"]), POINTS, np.zeros((7, 3)), error="sum-of-squares")
    np.testing.assert_allclose(part, full[33:39, 33:39], rtol=1e-12)
    with pytest.raises(NetworkError, match=r"'absent' not found.*wanted some of A, a"):
        read_network(path, weights=["absent"])


def test_constants_are_widened_exactly(tmp_path: Path) -> None:
    net = read_network(saved(model(), tmp_path))
    np.testing.assert_array_equal(net.w[:24], NUMBERS["A"].astype(np.float64).ravel())
    assert not net.w.flags.writeable


# --- what is refused ------------------------------------------------------------------------------------------------


def grown(operation: str, *sizes: int) -> Any:
    """A small file whose values would fill the memory."""
    nodes = [*HIDDEN, OUTPUT, constant("sizes", np.array(sizes, np.int64)),
             helper.make_node(operation, [*(["y"] if operation != "ConstantOfShape" else []), "sizes"], ["big"]),
             helper.make_node("ReduceMax", ["big"], ["top"], keepdims=0),
             helper.make_node("Add", ["y", "top"], ["end"])]  # fmt: skip
    return model(nodes, outputs=("end",))


def doubling(times: int) -> Any:
    nodes = [constant("many", np.zeros(1 << 16, np.float32))]
    for i in range(times):
        before = "many" if i == 0 else f"c{i - 1}"
        nodes.append(helper.make_node("Concat", [before] * 16, [f"c{i}"], axis=0))
    nodes += [helper.make_node("ReduceMax", [f"c{times - 1}"], ["top"], keepdims=0)]
    return model([*HIDDEN, OUTPUT, *nodes, helper.make_node("Add", ["y", "top"], ["end"])], outputs=("end",))


def nested(depth: int, width: int = 10) -> Any:
    made = model([helper.make_node("F0", ["x"], ["v"], domain="mine"), helper.make_node("Tanh", ["v"], ["y"])])
    for level in range(depth):
        inner, domain = ("Relu", "") if level == depth - 1 else (f"F{level + 1}", "mine")
        values = ["x", *(f"t{i}" for i in range(width))]
        body = [helper.make_node(inner, [values[i]], [values[i + 1]], domain=domain) for i in range(width)]
        imports = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
        made.functions.append(helper.make_function("mine", f"F{level}", ["x"], values[-1:], body, imports))
    made.opset_import.append(helper.make_opsetid("mine", 1))
    return made


def hidden(made: Any) -> Any:
    """The same calls in a branch of control flow."""
    value = helper.make_tensor_value_info("v", TensorProto.FLOAT, None)
    branch = helper.make_graph([made.graph.node[0]], "branch", [], [value])
    choice = helper.make_node("If", ["yes"], ["w"], then_branch=branch, else_branch=branch)
    end = helper.make_node("Tanh", ["w"], ["y"])
    del made.graph.node[:]
    made.graph.node.extend([constant("yes", True), choice, end])
    return made


def resized(scales: str, sizes: str = "", **attributes: Any) -> list[Any]:
    """The hidden units as an image, resized."""
    return [
        constant("image", [0, 1, 2, 3]),
        constant("twos", np.full(4, 2, np.float32)),
        constant("tiny", np.array([1, 1, 1e-30, 1e-30], np.float32)),
        constant("sizes", [1, 1, 4, 6]),
        constant("rows", [0]),
        helper.make_node("ReduceSum", ["x", "rows"], ["four"], keepdims=0),
        helper.make_node("Reshape", ["z", "image"], ["i"]),
        helper.make_node("Resize", ["i", "", scales, sizes], ["y"], **attributes),
    ]


def outside(location: str, **keys: str) -> Any:
    """A model whose first tensor lies in the file ``location``."""

    def change(made: Any) -> None:
        tensor = made.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, "offset": "0", "length": "96", **keys}.items():
            tensor.external_data.add(key=key, value=value)

    return tampered(change)


def set_tensor(**fields: Any) -> Any:
    def change(made: Any) -> None:
        tensor = made.graph.initializer[0]
        for field, value in fields.items():
            if field == "dims":
                tensor.dims[:] = value
            elif field == "float_data":
                tensor.float_data.extend(value)
            else:
                setattr(tensor, field, value)

    return tampered(change)


BATCH_NORM = helper.make_node("ReduceMean", ["y"], ["mean_y"], axes=[0])
PRODUCT = helper.make_node("ReduceProd", ["z"], ["product"], axes=[1])
BAD: dict[str, tuple[Any, str]] = {
    "no derivative": (model([*HIDDEN, PRODUCT], outputs=("product",)),
                      r"\(ReduceProd\): has no derivative with respect to 'z'"),
    "empty": (b"", "no operations or no outputs"),
    "random bytes": (bytes(range(256)) * 9, "not an ONNX model"),
    "pickle": (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os.", "not an ONNX model"),
    "truncated": (model().SerializeToString()[:200], "not an ONNX model"),
    "opset 999": (model(opset=999), "opset 999 is not supported"),
    "opset 5": (model(opset=5), "opset 5 is not supported"),
    "IR version": (tampered(lambda m: setattr(m, "ir_version", 99)), "IR version"),
    "foreign domain": (model([*HIDDEN, helper.make_node("FusedGemm", ["z", "B"], ["y"], domain="com.microsoft")]),
                       "com.microsoft"),
    "unknown operation": (model([*HIDDEN, helper.make_node("Det", ["z"], ["y"])]), r"node 'y' \(Det\).*not supported"),
    "control flow": (model([*HIDDEN, helper.make_node("Loop", ["", "z"], ["y"])]), r"\(Loop\).*control flow"),
    "unknown attribute": (model([*HIDDEN[:1], helper.make_node("Tanh", ["h"], ["y"], slope=2.0)]), "attribute 'slope'"),
    "wrong number of inputs": (model([helper.make_node("Tanh", ["x", "x"], ["y"])]), "wanted 1 to 1; got 2"),
    "cycle": (model([helper.make_node("Add", ["x", "y"], ["z"]), helper.make_node("Tanh", ["z"], ["y"])]),
              "uses 'y' before it is made"),
    "condition on a point": (model([*HIDDEN, constant("axes", [0, 1]),
                                    helper.make_node("ReduceSum", ["z", "axes"], ["sum"]),
                                    constant("none", np.float32(0)),
                                    helper.make_node("Greater", ["sum", "none"], ["wide"]), CHOICE]),
                             r"\(If\): 'wide' depends on the points"),
    "a million steps": (model([constant("steps", [1 << 20, 1, 1]), helper.make_node("Expand", ["x", "steps"], ["long"]),
                               helper.make_node("RNN", ["long", "W", "R"], ["Y"], hidden_size=1),
                               helper.make_node("ReduceSum", ["Y"], ["y"])],
                              {"W": np.ones((1, 1, 4), np.float32), "R": np.ones((1, 1, 1), np.float32)}),
                        "graph is too large"),
    "sparse, outside": (tampered(lambda m: m.graph.sparse_initializer.append(helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1, np.float32), "s"), numpy_helper.from_array(np.array([9]), "i"), [3, 3]))),
        "an index lies outside"),
    "sparse, 2⁴⁰ elements": (tampered(lambda m: m.graph.sparse_initializer.append(helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1, np.float32), "s"), numpy_helper.from_array(np.array([0]), "i"),
        [1 << 20, 1 << 20]))), "impossible shape"),
    "normalisation in training mode": (model([helper.make_node("BatchNormalization", ["x", "g", "g", "g", "g"], ["y"],
                                                               training_mode=1)], {"g": np.ones(4, np.float32)}, ),
                                       "evaluation mode"),
    "undefined input": (model([helper.make_node("Add", ["x", "w"], ["y"])]), "uses 'w' before"),
    "made twice": (model([*HIDDEN, helper.make_node("Tanh", ["h"], ["z"]), OUTPUT]), "makes 'z', which exists already"),
    "missing output": (model(outputs=("absent",)), "'absent' is never made"),
    "tensor twice": (tampered(lambda m: m.graph.initializer.append(m.graph.initializer[0])), "is there twice"),
    "too many bytes": (set_tensor(raw_data=NUMBERS["A"].tobytes() + b"1234"), "wanted 96 bytes; got 100"),
    "too few bytes": (set_tensor(raw_data=NUMBERS["A"].tobytes()[:-4]), "wanted 96 bytes; got 92"),
    "negative size": (set_tensor(dims=[-6, -4]), "impossible shape"),
    "2⁴⁰ elements": (set_tensor(dims=[1 << 20, 1 << 20]), "impossible shape"),
    "overflowing size": (set_tensor(dims=[1 << 62, 16]), "impossible shape"),
    "two fields": (set_tensor(float_data=[1.0] * 24), "several fields"),
    "unknown type": (set_tensor(data_type=999), "type 999"),
    "NaN weight": (model(numbers={"A": np.full((6, 4), np.nan, np.float32)}), "holds NaN"),
    "infinite weight": (model(numbers={"A": np.full((6, 4), np.inf, np.float32)}), "'A': a weight is infinite"),
    "shapes that do not fit": (model(numbers={"A": NUMBERS["A"][:, :3].copy()}), r"\(Gemm\)"),
    "value too large": (grown("Expand", 1 << 20, 1 << 16, 1, 3), "too large"),
    "tile too large": (grown("Tile", 1 << 30, 1 << 30), "too large"),
    "constant too large": (grown("ConstantOfShape", 1 << 36), "too large"),
    "concatenation too large": (doubling(4), "too large"),
    "functions in functions": (nested(6), "graph is too large"),
    "functions in functions in a branch": (hidden(nested(6)), "graph is too large"),
    "deep functions": (nested(3000, 1), "too deeply"),
    "frozen batch": (model([*HIDDEN, constant("five", [5, -1]), helper.make_node("Reshape", ["z", "five"], ["f"]),
                            helper.make_node("Gemm", ["f", "B", "b"], ["y"], transB=1)], batch=5),
                     "dynamic first axis"),
    "training mode": (model([*HIDDEN, constant("on", True), constant("p", np.float32(0.5)),
                             helper.make_node("Dropout", ["z", "p", "on"], ["d"]),
                             helper.make_node("Gemm", ["d", "B", "b"], ["y"], transB=1)]), "evaluation mode"),
    "normalised over the batch": (model([*HIDDEN, OUTPUT, BATCH_NORM, helper.make_node("Sub", ["y", "mean_y"], ["e"])],
                                        outputs=("e",)), "depends on the other points"),
    "dynamic features": (model(inputs={"x": (TensorProto.FLOAT, ["N", "D"])}), "size of a point is not fixed"),
    "no batch axis": (model(inputs={"x": (TensorProto.FLOAT, [])}), "no axis of points"),
    "a huge point": (model(inputs={"x": (TensorProto.FLOAT, ["N", 1 << 40])}), "too large"),
    "an output without elements": (model([*HIDDEN, constant("none", np.zeros((6, 0), np.float32)),
                                          helper.make_node("MatMul", ["z", "none"], ["y"])]), "has no elements"),
    "an output that is no text": (model().SerializeToString().replace(b"\x01y", b"\x01\xff"), "is no text"),
    "a tensor that is no text": (model().SerializeToString().replace(b"\x01A", b"\x01\xff"), "is no text"),
    "an operation in red": (model([*HIDDEN, helper.make_node("\x1b[31mGemm", ["z", "B", "b"], ["y"])]), "is no text"),
    "a mode that is no text": (model([*HIDDEN, *resized("twos", mode=b"\xff")]), "an attribute is no text"),
    "an unknown policy": (model([*HIDDEN, *resized("", "sizes", keep_aspect_ratio_policy="no")], opset=18),
                          "Resize.: 'no'"),
    "scales that depend on points": (model([*HIDDEN, *resized("four")]), "'four' depends on the points"),
    "scales that leave nothing": (model([*HIDDEN, *resized("tiny", antialias=1, mode="linear")], opset=18),
                                  "nothing is left"),
    "an odd split": (model([HIDDEN[0], *HALVES, SPLIT, helper.make_node("SequenceAt", ["parts"], ["y"])]),
                     "SequenceAt.: wrong inputs"),
    "outside, above": (outside("../secret"), "secret"),
    "outside, absolute": (outside("/etc/passwd"), "passwd"),
    "outside, link": (outside("link"), "link"),
    "outside, hard link": (outside("hard"), "hard"),
    "outside, NUL": (outside("good\0x"), "good"),
    "outside, unknown key": (outside("good", colour="red"), "colour"),
    "outside, past the end": (outside("good", offset="8"), "good"),
    "outside, negative": (outside("good", offset="-8"), "good"),
    "outside, wrong length": (outside("good", length="92"), "92"),
    "outside, missing": (outside("absent"), "absent"),
}  # fmt: skip


@pytest.mark.parametrize(("made", "message"), BAD.values(), ids=BAD)
def test_what_is_refused(made: Any, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(NUMBERS["A"].tobytes())
    (folder / "good").write_bytes(NUMBERS["A"].tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", folder / "hard")
    path = saved(made, folder)
    with pytest.raises(NetworkError, match=message) as refused:
        read_network(path)
    assert str(refused.value).startswith(str(path))


def test_the_good_neighbour_of_the_bad_ones(tmp_path: Path) -> None:
    """The model that the hostile ones are made from is read: they are refused for what is wrong with them."""
    (tmp_path / "good").write_bytes(NUMBERS["A"].tobytes())
    assert read_network(saved(outside("good"), tmp_path)).n_weights == 51
    assert read_network(saved(nested(2), tmp_path)).n_weights == 0
    for path, message in ((tmp_path, "a folder"), (tmp_path / "absent.onnx", "no such file")):
        with pytest.raises(NetworkError, match=message):
            read_network(path)


def test_values_that_are_too_large_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(model(), tmp_path)
    monkeypatch.setattr(expansion, "LARGEST_TOGETHER", 2 * (6 + 6 + 3))
    assert read_network(path).n_weights == 51
    monkeypatch.setattr(expansion, "LARGEST_TOGETHER", 2 * (6 + 6 + 3) - 1)
    with pytest.raises(NetworkError, match=r"too large .wanted at most 29 elements together"):
        read_network(path)


@pytest.mark.parametrize(("limit", "value"), [("MEMORY", 1 << 25), ("PATIENCE", 0.01)])
def test_a_conversion_beyond_its_limits_is_refused(
    limit: str, value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(model(opset=9), tmp_path)
    monkeypatch.setattr(conversion, limit, value)
    with pytest.raises(NetworkError, match=r"model.onnx: cannot be converted from opset 9"):
        read_network(path)


def test_arguments_that_name_nothing(tmp_path: Path) -> None:
    path = saved(model(), tmp_path)
    with pytest.raises(NetworkError, match="'absent' is no floating input"):
        read_network(path, input="absent")
    with pytest.raises(NetworkError, match="no such floating output"):
        read_network(path, output="absent")
