"""ONNX files: bytes and fields of good ones changed, sizes that nobody has memory for, data that lie elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import jachess
from jachess.network.graph import Network
from jachess.network.operations import COMPOSITES, TABLE
from tests.fuzz.mutations import NUMBERS, TEXTS, mutated
from tests.network.calls import CASES, COMPOSED, LEFT_OUT, Case
from tests.network.test_onnx import GOOD, model

SEEDS: list[bytes] = []
_FLOATS = [0.0, -1.0, 0.5, 1e-30, 1e30, float("nan"), float("inf"), float("-inf")]
_DEEP = ("AttributeProto", "TensorProto", "Dimension", "NodeProto")
"""Messages whose fields are mostly changed: a file that is broken further out is refused at once."""
_DULL = ("op_type", "domain", "type", "data_type", "name", "output", "external_data")
_LOCATIONS = [
    "w.data",
    "../w.data",
    "/etc/passwd",
    "a/../../w",
    "link",
    "",
    ".",
    "model.onnx",
    "C:\\w",
    "a\0b",
    "w" * 300,
]


def prepare(folder: Path) -> None:
    """Models of the reader's tests, old and new, and one of each operation that is applied to constants."""
    folder.mkdir()
    SEEDS.extend(made.SerializeToString() for made in GOOD.values())
    SEEDS.extend(model(opset=opset).SerializeToString() for opset in (7, 9, 12))
    seen = set()
    for case in [*CASES, *COMPOSED]:
        if case.operation not in seen or len(case.attributes) > 1:
            seen.add(case.operation)
            SEEDS.append(_with_call(case).SerializeToString())
    onnx.save_model(model(), folder / "apart.onnx", save_as_external_data=True, location="w.data", size_threshold=0)
    SEEDS.append((folder / "apart.onnx").read_bytes())


def _with_call(case: Case) -> Any:
    """y = tanh(A x) B + Σ f(constants), so that the operation is applied as the file is read."""
    record = TABLE.get(case.operation) or COMPOSITES[case.operation]
    names = ["" if value is LEFT_OUT else f"c{i}" for i, value in enumerate(case.inputs)]
    tensors = {name: np.asarray(value) for name, value in zip(names, case.inputs, strict=True) if name}
    tensors = {name: v.astype(np.float32) if v.dtype.kind == "f" else v for name, v in tensors.items()}
    outputs = [f"o{i}" for i in range(case.n_outputs)]
    nodes = [
        helper.make_node("Gemm", ["x", "A", "a"], ["h"], transB=1),
        helper.make_node(case.operation, names, outputs, domain=record.domain, **case.attributes),
        helper.make_node("Cast", ["o0"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["f"], ["s"], keepdims=0),
        helper.make_node("Mul", ["h", "s"], ["z"]),
        helper.make_node("Gemm", ["z", "B", "b"], ["y"], transB=1),
    ]
    return model(nodes, tensors, opset=case.opset)


Message = Any


def _messages(message: Message) -> list[Message]:
    """A message and all that are in it."""
    found = [message]
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for inner in value if field.is_repeated else [value]:
                found += _messages(inner)
    return found


@st.composite
def _fields(draw: st.DrawFn) -> bytes:
    """A model with a few fields changed."""
    made = onnx.load_model_from_string(draw(_seeds()))
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        messages = _messages(made)
        deep = [message for message in messages if message.DESCRIPTOR.name in _DEEP]
        message = draw(st.sampled_from(deep if deep and draw(st.integers(0, 3)) else messages))
        fields = [field for field, _ in message.ListFields() if field.name not in _DULL or not draw(st.integers(0, 9))]
        if not fields:
            continue
        if getattr(message, "raw_data", b"") and draw(st.booleans()):
            message.raw_data = draw(_numbers(message))
            continue
        field = draw(st.sampled_from(fields))
        if draw(st.integers(0, 9)) == 0:
            message.ClearField(field.name)
        elif field.type == field.TYPE_MESSAGE:
            _change_message(draw, messages, message, field)
        else:
            value = draw(_values(field, messages))
            try:
                if field.is_repeated:
                    _change_list(draw, getattr(message, field.name), value)
                else:
                    setattr(message, field.name, value)
            except (ValueError, TypeError):  # out of the field's range
                pass
    return bytes(made.SerializeToString())


@st.composite
def _numbers(draw: st.DrawFn, tensor: Message) -> bytes:
    """Its data, with one number of them changed."""
    kinds = {TensorProto.FLOAT: "<f4", TensorProto.INT64: "<i8", TensorProto.DOUBLE: "<f8"}
    dtype = np.dtype(kinds.get(tensor.data_type, "u1"))
    array = np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // dtype.itemsize * dtype.itemsize], dtype).copy()
    if not len(array):
        return b"\0"
    value = draw(st.sampled_from(_FLOATS if dtype.kind == "f" else [*NUMBERS, *range(-4, 9)]))
    with np.errstate(all="ignore"):
        array[draw(st.integers(0, len(array) - 1))] = np.asarray(value).astype(dtype)
    return array.tobytes()


def _change_message(draw: st.DrawFn, messages: list[Message], message: Message, field: Any) -> None:
    alike = [other for other in messages if other.DESCRIPTOR is field.message_type]
    other = type(alike[0])() if alike else None
    if other is None:
        return
    other.CopyFrom(draw(st.sampled_from(alike)))
    if not field.is_repeated:
        getattr(message, field.name).CopyFrom(other)
        return
    values = getattr(message, field.name)
    match draw(st.sampled_from(["remove", "add", "replace", "swap"])):
        case "remove":
            del values[draw(st.integers(0, len(values) - 1))]
        case "add":
            values.insert(draw(st.integers(0, len(values))), other)
        case "replace":
            values[draw(st.integers(0, len(values) - 1))].CopyFrom(other)
        case "swap":
            values.append(values.pop(0))


def _change_list(draw: st.DrawFn, values: Any, value: Any) -> None:
    match draw(st.sampled_from(["remove", "add", "replace", "replace", "replace"])):
        case "remove":
            del values[draw(st.integers(0, len(values) - 1))]
        case "add":
            values.insert(draw(st.integers(0, len(values))), value)
        case "replace":
            values[draw(st.integers(0, len(values) - 1))] = value


def _values(field: Any, messages: list[Message]) -> st.SearchStrategy[Any]:
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return st.sampled_from(_FLOATS)
    if field.type == field.TYPE_STRING:
        nodes = [message for message in messages if message.DESCRIPTOR.name == "NodeProto"]
        names = [name for node in nodes for name in (*node.input, *node.output)]
        operations = sorted([*TABLE, *COMPOSITES, "Loop", "NonZero"])
        return st.one_of(st.sampled_from([*TEXTS, *_LOCATIONS, *names]), st.sampled_from(operations))
    if field.type == field.TYPE_BYTES:
        return st.one_of(st.binary(max_size=40), st.sampled_from([b"linear", b"CRD", b"ij,jk->ik", b"SAME_UPPER"]))
    return st.one_of(st.sampled_from(NUMBERS), st.integers(0, 30))


@st.composite
def _outside(draw: st.DrawFn) -> bytes:
    """External data at odd places, of odd lengths."""
    made = model()
    tensor = draw(st.sampled_from(list(made.graph.initializer)))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    keys = st.sampled_from(["offset", "length", "checksum"])
    for key in ["location", *draw(st.lists(keys, max_size=3, unique=True))]:
        value = st.sampled_from(_LOCATIONS if key == "location" else [*map(str, NUMBERS), *TEXTS])
        tensor.external_data.add(key=key, value=draw(value))
    return bytes(made.SerializeToString())


def _seeds() -> st.SearchStrategy[bytes]:
    return st.integers(0, len(SEEDS) - 1).map(lambda number: SEEDS[number])


def examples() -> st.SearchStrategy[bytes]:
    """The file's bytes."""
    return st.one_of(_fields(), _fields(), _fields(), _seeds().flatmap(mutated), _outside())


def read(folder: Path, data: bytes) -> None:
    """The network, and its derivatives at three points if it is small."""
    (folder / "model.onnx").write_bytes(data)
    (folder / "w.data").write_bytes(numpy_helper.to_array(onnx.load_model_from_string(SEEDS[0]).graph.initializer[0]))
    (folder / "link").symlink_to("w.data")
    derived(jachess.read_network(folder / "model.onnx"))


def derived(network: Network) -> None:
    """Derivatives at three points, if the network is small."""
    width = sum(int(np.prod(i.shape)) for i in network.inputs)
    if max(width, network.n_outputs, network.n_weights) > 300:
        return
    points = [np.full((3, *i.shape), 0.5).astype(i.dtype) for i in network.inputs]
    given = points[0] if len(points) == 1 else points
    assert jachess.jacobian(network, given).shape[0] == 3
    if network.n_weights:
        targets = np.zeros((3, network.n_outputs))
        jachess.hessian(network, given, targets, error="sum-of-squares")
