"""Calls of every operation: the cases that its tests run through."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from jachess.network.evaluation import call_of
from jachess.network.graph import Array, Node
from jachess.network.operations import COMPOSITES, TABLE
from jachess.network.operations.record import Call

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    """Numbers that keep their distance from zero, where the kinks are."""
    x = RANDOM.normal(size=shape)
    return x + 0.1 * np.sign(x)


def positive(*shape: int) -> Array:
    return RANDOM.uniform(0.5, 2, size=shape)


def ints(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def rounded(value: Any) -> Any:
    """Attributes as a file holds them."""
    if isinstance(value, dict | tuple):
        return {k: rounded(v) for k, v in value.items()} if isinstance(value, dict) else tuple(map(rounded, value))
    return float(np.float32(value)) if isinstance(value, float) else value


LEFT_OUT = np.empty((0, 0))
"""In place of an optional input."""


@dataclass(frozen=True)
class Case:
    """One call of an operation."""

    operation: str
    inputs: tuple[Array, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    n_outputs: int = 1
    opset: int = 24
    in_reference: bool = True
    """Whether ONNX's reference can do it: the backend suite has such cases, with recorded results."""

    def __str__(self) -> str:
        shapes = ",".join("x".join(map(str, x.shape)) for x in self.inputs)
        return f"{self.operation}({shapes}){self.attributes or ''}"

    @property
    def node(self) -> Node:
        """Numbers of a file are float32."""
        names = tuple(f"x{i}" if x is not LEFT_OUT else "" for i, x in enumerate(self.inputs))
        return Node(self.operation, names, tuple(f"y{i}" for i in range(self.n_outputs)), rounded(self.attributes))

    def values(self, inputs: tuple[Array, ...] | None = None) -> dict[str, Array]:
        return dict(zip(self.node.inputs, inputs or self.inputs, strict=True))

    def call(self, inputs: tuple[Array, ...] | None = None) -> Call:
        values = self.values(inputs)
        with np.errstate(all="ignore"):
            made = TABLE[self.operation].forward(call_of(self.node, values))
        return call_of(self.node, values, tuple(made[: self.n_outputs]))

    def model(self) -> onnx.ModelProto:
        """The case as a model of the newest opset."""
        kinds = {"f": TensorProto.DOUBLE, "i": TensorProto.INT64, "b": TensorProto.BOOL}
        record = TABLE.get(self.operation) or COMPOSITES[self.operation]
        given = [(n, x) for n, x in zip(self.node.inputs, self.inputs, strict=True) if n]
        graph = helper.make_graph(
            [
                helper.make_node(
                    self.operation, self.node.inputs, self.node.outputs, domain=record.domain, **self.attributes
                )
            ],
            "one",
            [helper.make_tensor_value_info(n, kinds[x.dtype.kind], x.shape) for n, x in given],
            [helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in self.node.outputs],
        )
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid("ai.onnx.ml", 3)]
        return helper.make_model(graph, opset_imports=imports, ir_version=10)

    def defined(self) -> list[Array]:
        """What ONNX's own definition makes of it."""
        values = {name: x for name, x in self.values().items() if name}
        return [np.asarray(y) for y in ReferenceEvaluator(self.model()).run(None, values)]


SAME = ("SAME_UPPER", "SAME_LOWER", "VALID")
SLIDES_1D = ({}, {"strides": (2,), "pads": (1, 0)}, {"dilations": (2,), "pads": (1, 1)})
SLIDES_2D = ({}, {"strides": (2, 1), "pads": (1, 0, 0, 1)}, {"dilations": (1, 2), "pads": (1, 1, 1, 1)})
POOLS = ("MaxPool", "AveragePool")
WHERE = ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric")
EQUATIONS = (
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("bij,bjk", (2, 3, 4), (2, 4, 2)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
    ("ij->ji", (2, 3)),
    ("ij->i", (2, 3)),
    ("ii->i", (3, 3)),
    ("...ii->...i", (2, 3, 3)),
    ("i,i", (3,), (3,)),
    ("ij,ik,il->jkl", (2, 3), (2, 2), (2, 4)),
    ("i,j->", (2,), (3,)),
)
MASK = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 0, 0], [0, 1, 0, 1, 1]], bool)
RECURRENT = (("RNN", 1, 2), ("GRU", 3, 2), ("LSTM", 4, 3))


def recurrent(n_gates: int, n_directions: int, *, state: bool = False, turned: bool = False) -> tuple[Array, ...]:
    """Inputs of a recurrence with 3 inputs and 4 units, over 5 steps of 2 points."""
    x = normal(2, 5, 3) if turned else normal(5, 2, 3)
    w, r, b = (
        normal(n_directions, 4 * n_gates, 3),
        normal(n_directions, 4 * n_gates, 4),
        normal(n_directions, 8 * n_gates),
    )
    return (x, w, r, b, LEFT_OUT, normal(n_directions, 2, 4)) if state else (x, w, r, b)


SMOOTH = ["Neg", "Exp", "Reciprocal", "Sin", "Cos", "Atan", "Tan", "Sinh",
          "Cosh", "Asinh", "Erf", "Tanh", "Sigmoid", "Softplus", "Mish", "Gelu",
          "Relu", "Abs", "LeakyRelu", "Elu", "Selu", "Celu", "Softsign", "HardSigmoid",
          "HardSwish", "Identity", "Floor", "Ceil", "Round", "Sign", "ThresholdedRelu", "Shrink"]  # fmt: skip
REDUCTIONS = ["ReduceSum", "ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ReduceMax",
              "ReduceMin"]  # fmt: skip

CASES = [
    *[Case(name, (normal(4, 3),)) for name in SMOOTH],
    *[Case(name, (positive(4, 3),)) for name in ("Log", "Sqrt")],
    *[Case(name, (RANDOM.uniform(-0.9, 0.9, size=(4, 3)),)) for name in ("Asin", "Acos", "Atanh")],
    Case("Acosh", (1 + positive(4, 3),)),
    Case("Shrink", (normal(4, 3),), {"lambd": 0.3, "bias": 0.2}),
    Case("Swish", (normal(4, 3),), {"alpha": 1.5}),
    Case("Gelu", (normal(4, 3),), {"approximate": "tanh"}),
    *[Case(name, (normal(4, 3),), {"alpha": 0.5}) for name in ("Elu", "Selu", "Celu", "LeakyRelu", "HardSigmoid")],
    *[Case(name, (normal(4, 3), positive(3))) for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu")],
    *[Case(name, (normal(3, 1), positive(2, 1, 4))) for name in ("Add", "Sub", "Mul", "Div")],
    *[Case(name, (normal(2, 3, 4), positive(3, 1), normal(1))) for name in ("Sum", "Mean", "Max", "Min")],
    Case("Pow", (normal(4, 3), np.array(3.0))),
    Case("Pow", (normal(4, 3), ints(2))),
    Case("Pow", (positive(4, 3), positive(3))),
    Case("Where", (RANDOM.normal(size=(4, 3)) > 0, normal(4, 3), normal(3))),
    Case("Clip", (normal(4, 3), np.array(-0.5), np.array(0.7))),
    Case("Clip", (normal(4, 3), np.array(0.5), np.array(-0.7))),
    Case("Gemm", (normal(4, 3), normal(3, 5), normal(5))),
    Case("Gemm", (normal(3, 4), normal(5, 3), normal(4, 1)), {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}),
    Case("Gemm", (normal(4, 3), normal(3, 5))),
    Case("Gemm", (normal(4, 3), normal(3, 5), np.array(1.5))),
    *[
        Case("MatMul", (normal(*a), normal(*b)))
        for a, b in [
            ((4, 3), (3, 5)),
            ((3,), (3, 5)),
            ((4, 3), (3,)),
            ((3,), (3,)),
            ((2, 4, 3), (3, 5)),
            ((4, 3), (2, 3, 5)),
            ((2, 1, 4, 3), (6, 3, 5)),
            ((2, 4, 3), (3,)),
            ((3,), (2, 3, 5)),
        ]
    ],
    *[Case(name, (normal(2, 3, 4), ints(1))) for name in REDUCTIONS],
    *[Case(name, (normal(2, 3, 4), ints(-1, 0)), {"keepdims": 0}) for name in REDUCTIONS],
    *[Case(name, (normal(2, 3),)) for name in REDUCTIONS],
    *[Case(name, (normal(2, 3, 4),), {"axis": axis}) for name in ("Softmax", "LogSoftmax") for axis in (-1, 1)],
    *[Case(name, (normal(2, 3) * 100,)) for name in ("Softmax", "LogSoftmax")],
    Case("Concat", (normal(2, 3), normal(2, 1), normal(2, 2)), {"axis": 1}),
    Case("Concat", (normal(2, 3), normal(1, 3)), {"axis": -2}),
    Case("Split", (normal(2, 7), ints(3, 4)), {"axis": 1}, 2),
    Case("Split", (normal(2, 7),), {"axis": -1, "num_outputs": 3}, 3),
    Case("Slice", (normal(4, 5), ints(1, 0), ints(4, 5), ints(1, 0), ints(2, 3))),
    Case("Slice", (normal(4, 5), ints(-1), ints(-(2**63)), ints(-1), ints(-2))),
    Case("Slice", (normal(4, 5), ints(1), ints(2**63 - 1))),
    Case("Flatten", (normal(2, 3, 4),)),
    Case("Flatten", (normal(2, 3, 4),), {"axis": -1}),
    Case("Reshape", (normal(2, 3, 4), ints(0, -1))),
    Case("Reshape", (normal(2, 3, 4), ints(4, 6))),
    Case("Squeeze", (normal(2, 1, 3, 1), ints(1, -1))),
    Case("Squeeze", (normal(2, 1, 3, 1),)),
    Case("Unsqueeze", (normal(2, 3), ints(0, -1))),
    Case("Transpose", (normal(2, 3, 4),)),
    Case("Transpose", (normal(2, 3, 4),), {"perm": (1, 2, 0)}),
    Case("Expand", (normal(3, 1), ints(2, 1, 4))),
    Case("Tile", (normal(2, 3), ints(2, 3))),
    Case("Gather", (normal(4, 3), ints(2, 0, 2, -1))),
    Case("Gather", (normal(2, 4, 3), np.array([[1, 3], [0, 1]])), {"axis": 1}),
    Case("Gather", (normal(2, 4), np.array(1)), {"axis": -1}),
    Case("GatherND", (normal(4, 3, 2), np.array([[2, 0], [-1, 1], [2, 0]]))),
    Case("GatherND", (normal(4, 3), np.array([[[2], [2]]]))),
    Case("Scaler", (normal(4, 3),), {"offset": (0.5, 1.0, -1.0), "scale": (2.0, 0.25, 3.0)}),
    Case("Cast", (normal(2, 3),), {"to": TensorProto.DOUBLE}),
    Case("CastLike", (normal(2, 3), normal(1))),
    Case("Dropout", (normal(2, 3),)),
    *[Case("Conv", (normal(2, 3, 7), normal(4, 3, 2), normal(4)), at) for at in SLIDES_1D],
    *[Case("Conv", (normal(2, 4, 6, 5), normal(6, 2, 3, 2), normal(6)), {"group": 2, **at}) for at in SLIDES_2D],
    *[Case("Conv", (normal(2, 3, 6, 5), normal(4, 3, 3, 2)), {"auto_pad": pad, "strides": (2, 3)}) for pad in SAME],
    Case("Conv", (normal(2, 3, 4, 4), normal(3, 1, 2, 2)), {"group": 3, "kernel_shape": (2, 2)}),
    Case("Conv", (normal(1, 2, 3, 4, 3), normal(2, 2, 2, 2, 2), normal(2)), {"pads": (0, 1, 1, 1, 0, 0)}),
    *[Case("ConvTranspose", (normal(2, 3, 5), normal(3, 2, 3), normal(2)), at) for at in SLIDES_1D],
    *[
        Case("ConvTranspose", (normal(1, 4, 3, 4), normal(4, 2, 3, 2)), {"group": 2, **at}, in_reference=False)
        for at in SLIDES_2D
    ],
    *[
        Case("ConvTranspose", (normal(2, 3, 3, 4), normal(3, 2, 3, 3)), {"auto_pad": pad, "strides": (2, 3)})
        for pad in SAME
    ],
    Case("ConvTranspose", (normal(1, 2, 3, 3), normal(2, 2, 3, 3)), {"strides": (3, 2), "output_padding": (1, 1)}),
    Case("ConvTranspose", (normal(1, 2, 3, 3), normal(2, 2, 3, 3)), {"strides": (3, 2), "output_shape": (10, 8)}),
    *[Case(name, (normal(2, 3, 9),), {"kernel_shape": (3,), **at}) for name in POOLS for at in SLIDES_1D],
    *[Case(name, (normal(2, 3, 7, 6),), {"kernel_shape": (3, 2), **at}) for name in POOLS for at in SLIDES_2D],
    *[
        Case(name, (normal(2, 3, 7, 6),), {"kernel_shape": (3, 2), "auto_pad": pad, "strides": (2, 1)})
        for name in POOLS
        for pad in ("SAME_UPPER", "VALID")
    ],
    *[Case(name, (normal(2, 3, 7, 6),), {"kernel_shape": (3, 2), "auto_pad": "SAME_LOWER"}) for name in POOLS],
    *[Case(name, (normal(2, 3, 7, 6),), {"kernel_shape": (3, 3), "strides": (2, 2), "ceil_mode": 1}) for name in POOLS],
    Case("MaxPool", (normal(1, 2, 4, 4, 5),), {"kernel_shape": (2, 2, 3), "dilations": (1, 2, 1)}),
    Case("AveragePool", (normal(2, 3, 7, 6),), {"kernel_shape": (3, 2), "count_include_pad": 1, "pads": (1, 1, 2, 0)}),
    Case(
        "AveragePool",
        (normal(2, 3, 7, 6),),
        {"kernel_shape": (3, 3), "count_include_pad": 1, "pads": (1, 1, 1, 1), "strides": (2, 2), "ceil_mode": 1},
    ),
    Case("Pad", (normal(2, 3), ints(1, 0, 0, 2), np.array(1.5))),
    Case("Pad", (normal(2, 3, 4), ints(2, 1), LEFT_OUT, ints(-1))),
    *[Case("Pad", (normal(2, 3, 4), ints(0, 1, 2, 0, 2, 1)), {"mode": mode}) for mode in ("reflect", "edge", "wrap")],
    *[
        Case(
            "Resize",
            (normal(2, 3, 4, 5), LEFT_OUT, np.array([1, 1, 1.7, 0.6])),
            {"mode": mode, "coordinate_transformation_mode": how},
        )
        for mode in ("nearest", "linear", "cubic")
        for how in WHERE
    ],
    *[
        Case(
            "Resize",
            (normal(2, 3, 4), LEFT_OUT, LEFT_OUT, ints(2, 3, 9)),
            {"nearest_mode": mode, "coordinate_transformation_mode": "asymmetric"},
        )
        for mode in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    ],
    Case(
        "Resize",
        (normal(2, 3, 8, 8), LEFT_OUT, np.array([0.6, 0.6])),
        {"mode": "linear", "antialias": 1, "axes": (2, 3)},
    ),
    Case("Resize", (normal(2, 3, 8), LEFT_OUT, np.array([0.6])), {"mode": "cubic", "antialias": 1, "axes": (2,)}),
    Case("Resize", (normal(2, 3, 8), LEFT_OUT, np.array([1.6])), {"mode": "cubic", "exclude_outside": 1, "axes": (2,)}),
    *[
        Case("Einsum", tuple(normal(*shape) for shape in shapes), {"equation": equation})
        for equation, *shapes in EQUATIONS
    ],
    Case("Standardisation", (normal(2, 3, 4),), {"axes": (-1,), "epsilon": 1e-3}, in_reference=False),
    Case("Standardisation", (normal(2, 3, 4),), {"axes": (-2, -1), "centred": 0, "epsilon": 1e-3}, in_reference=False),
    Case("GatherElements", (normal(3, 4), np.array([[0, 2, -1, 0], [1, 1, 0, 2]]))),
    Case("GatherElements", (normal(3, 4), np.array([[0], [-2], [1]])), {"axis": 1}),
    *[
        Case("ScatterElements", (normal(3, 4), np.array([[0, 1], [3, -1]]), normal(2, 2)), {"axis": 1, **at})
        for at in ({}, {"reduction": "add"})
    ],
    Case("ScatterND", (normal(3, 4, 2), np.array([[0, 1], [-1, 2]]), normal(2, 2))),
    Case("ScatterND", (normal(3, 4), np.array([[1], [1]]), normal(2, 4)), {"reduction": "add"}),
    Case("TopK", (normal(3, 6), ints(2)), {"axis": 1}),
    Case("TopK", (normal(4, 3), ints(3)), {"axis": 0, "largest": 0}),
]

COMPOSED = [
    *[Case("Hardmax", (normal(2, 3, 4),), {"axis": axis}) for axis in (1, -1)],
    Case("LinearRegressor", (normal(4, 3),), {"coefficients": (0.5, 1.0, -2.0), "intercepts": (0.25,)}),
    Case(
        "LinearRegressor",
        (normal(4, 3),),
        {"coefficients": (0.5, 1.0, -2.0, 1.5, 0.0, 1.0), "intercepts": (0.25, 0.5), "targets": 2},
    ),
    *[
        Case(
            "LinearClassifier",
            (normal(4, 3),),
            {
                "coefficients": values,
                "intercepts": (0.25, 0.5)[: len(values) // 3],
                "classlabels_ints": (3, 5),
                "post_transform": how,
            },
            2,
        )
        for values in ((0.5, 1.0, -2.0), (0.5, 1.0, -2.0, 1.5, 0.0, 1.0))
        for how in ("NONE", "LOGISTIC", "SOFTMAX")
    ],
    Case("ArrayFeatureExtractor", (normal(3, 4), ints(2, 0))),
    *[
        Case(
            "LayerNormalization",
            (normal(2, 3, 4), normal(*(2, 3, 4)[axis:]), normal(*(2, 3, 4)[axis:])),
            {"axis": axis, "epsilon": 0.01},
            3,
        )
        for axis in (-1, -2)
    ],
    Case("LayerNormalization", (normal(2, 3), normal(3))),
    Case("RMSNormalization", (normal(2, 3, 4), normal(3, 4)), {"axis": 1}),
    Case("InstanceNormalization", (normal(2, 3, 4, 5), normal(3), normal(3)), {"epsilon": 0.01}),
    Case("GroupNormalization", (normal(2, 4, 3, 2), normal(4), normal(4)), {"num_groups": 2, "epsilon": 0.01}),
    Case("GroupNormalization", (normal(2, 4, 3), normal(2), normal(2)), {"num_groups": 2}, opset=18),
    *[
        Case("BatchNormalization", (normal(2, 3, *rest), normal(3), normal(3), normal(3), positive(3)))
        for rest in ((), (4,), (4, 2))
    ],
    Case("MeanVarianceNormalization", (normal(2, 3, 4, 5),), in_reference=False),
    *[Case("LpNormalization", (np.abs(normal(2, 3, 4)),), {"p": p, "axis": axis}) for p in (1, 2) for axis in (1, -1)],
    *[Case("Normalizer", (normal(4, 3),), {"norm": norm}) for norm in ("MAX", "L1", "L2")],
    *[
        Case("Attention", (normal(2, 3, 4, 5), normal(2, 3, 6, 5), normal(2, 3, 6, 2)), at)
        for at in ({}, {"scale": 0.3}, {"is_causal": 1}, {"softcap": 2.0})
    ],
    *[
        Case(
            "Attention",
            (normal(2, 4, 6), normal(2, 5, 3), normal(2, 5, 3), mask),
            {"q_num_heads": 2, "kv_num_heads": 1},
        )
        for mask in (normal(4, 5), MASK, MASK[:, :3])
    ],
    *[
        Case(
            "Attention",
            (
                normal(2, 2, 3, 5),
                normal(2, 2, 4, 5),
                normal(2, 2, 4, 5),
                LEFT_OUT,
                normal(2, 2, 2, 5),
                normal(2, 2, 2, 5),
            ),
            at,
            4,
        )
        for at in ({}, {"is_causal": 1}, {"qk_matmul_output_mode": 2}, {"qk_matmul_output_mode": 3})
    ],
    *[
        Case(
            "Attention",
            (normal(2, 2, 3, 5), normal(2, 2, 4, 5), normal(2, 2, 4, 5), LEFT_OUT, LEFT_OUT, LEFT_OUT, ints(3, 4)),
            at,
        )
        for at in ({}, {"is_causal": 1})
    ],
    *[
        Case(
            "RotaryEmbedding",
            (normal(2, 3, 8), normal(9, 2), normal(9, 2), np.array([[0, 4, 2], [1, 8, 3]])),
            {"num_heads": 2, "interleaved": flag},
            opset=23,
        )
        for flag in (0, 1)
    ],
    Case("RotaryEmbedding", (normal(2, 2, 3, 6), normal(2, 3, 2), normal(2, 3, 2)), {"rotary_embedding_dim": 4}),
    *[
        Case(name, recurrent(gates, 1), {"hidden_size": 4, "direction": way, **at}, outputs)
        for name, gates, outputs in RECURRENT
        for way, at in (("forward", {}), ("reverse", {}))
    ],
    *[
        Case(name, recurrent(gates, 2), {"hidden_size": 4, "direction": "bidirectional"}, outputs)
        for name, gates, outputs in RECURRENT
    ],
    *[Case(name, recurrent(gates, 1, state=True), {"hidden_size": 4}, outputs) for name, gates, outputs in RECURRENT],
    *[
        Case(name, recurrent(gates, 1, turned=True), {"hidden_size": 4, "layout": 1}, outputs)
        for name, gates, outputs in RECURRENT
    ],
    Case("GRU", recurrent(3, 1, state=True), {"hidden_size": 4, "linear_before_reset": 1}, 2),
    Case("LSTM", (*recurrent(4, 1, state=True), normal(1, 2, 4), normal(1, 12)), {"hidden_size": 4}, 3),
    Case(
        "RNN",
        recurrent(1, 1),
        {"hidden_size": 4, "activations": ("Affine",), "activation_alpha": (0.5,), "activation_beta": (0.1,)},
        2,
    ),
    *[Case(name, (normal(2, 3, 4, 5),)) for name in ("GlobalAveragePool", "GlobalMaxPool")],
    Case("GlobalLpPool", (normal(2, 3, 4, 5),), in_reference=False),
    Case("LRN", (normal(6, 6, 2, 2),), {"size": 3, "alpha": 0.1}),
    Case("LpPool", (normal(2, 3, 6),), {"kernel_shape": (2,), "p": 3}),
    Case("DepthToSpace", (normal(2, 8, 3, 2),), {"blocksize": 2}),
    Case("DepthToSpace", (normal(2, 8, 3, 2),), {"blocksize": 2, "mode": "CRD"}),
    Case("SpaceToDepth", (normal(2, 3, 4, 6),), {"blocksize": 2}),
    Case("ReduceLogSum", (positive(2, 3, 4), ints(1))),
    Case("SwiGLU", (normal(2, 3), normal(2, 3)), opset=28),
    *[Case("Trilu", (normal(2, 3, 4), np.array(k)), {"upper": upper}) for k in (-1, 1) for upper in (0, 1)],
    *[Case("CumSum", (normal(2, 3, 4), np.array(1)), {"exclusive": e, "reverse": r}) for e in (0, 1) for r in (0, 1)],
]
