"""A network: operations in topological order, with the weights as leaf variables of the graph."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from jachess.errors import NetworkError

Array = NDArray[Any]


@dataclass(frozen=True)
class Node:
    """One use of an operation.

    Attributes
    ----------
    operation : str
        Name of the operation, a key of `jachess.network.operations.TABLE`.
    inputs, outputs : tuple of str
        Names of the values that it reads and makes; ``""`` stands for an input that is left out.
    attributes : mapping
        The attributes the file gives, as plain Python values or arrays.
    name : str
        The node's name in the file, for messages.
    """

    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def __str__(self) -> str:
        return f"node '{self.name or self.outputs[0]}' ({self.operation})"


@dataclass(frozen=True)
class Weight:
    """One weight tensor and its place in the weight vector w (flattened in C order from `offset`)."""

    name: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Number of weights in the tensor."""
        return math.prod(self.shape)

    @property
    def slice(self) -> slice:
        """The tensor's place in w."""
        return slice(self.offset, self.offset + self.size)


@dataclass(frozen=True)
class Input:
    """An input of the network: `shape` is that of ONE point, without the axis of points."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float64"

    @property
    def is_floating(self) -> bool:
        """Whether it can be differentiated with respect to: tokens cannot."""
        return self.dtype == "float64"


@dataclass(frozen=True, eq=False)
class Network:
    """A feed-forward network as a graph of leaf weights and operations.

    Each is equal to itself only; `fingerprint` tells whether two have the same derivatives.

    Attributes
    ----------
    nodes : tuple of Node
        In topological order.
    constants : mapping of str to array
        Values that are not differentiated (floating ones as float64).
    weights : tuple of Weight
        Name, shape and offset of each weight tensor, in the order of the weight vector.
    w : array (W,), float64, read-only
        The weight vector.
    inputs : tuple of Input
        All inputs; every point brings one array for each.
    input : str
        Name of the input that is differentiated (D elements).
    output : str
        Name of the output value, shape (N, *output_shape), K elements a point.
    output_shape : tuple of int
        Shape of the output of one point.
    notes : tuple of str
        What the reader did that a user should know.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    weights: tuple[Weight, ...]
    w: NDArray[np.float64]
    inputs: tuple[Input, ...]
    input: str
    output: str
    output_shape: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def input_place(self) -> int:
        """Which of the inputs is differentiated."""
        return next(place for place, i in enumerate(self.inputs) if i.name == self.input)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one point of the differentiated input."""
        return self.inputs[self.input_place].shape

    @property
    def n_inputs(self) -> int:
        """D, the number of inputs that are differentiated."""
        return math.prod(self.input_shape)

    @property
    def n_outputs(self) -> int:
        """K, the number of outputs."""
        return math.prod(self.output_shape)

    @property
    def n_weights(self) -> int:
        """W, the number of weights, biases counted."""
        return int(self.w.size)

    def check_input(self) -> None:
        """Raise a NetworkError if there is nothing to differentiate with respect to but the weights."""
        if not self.inputs[self.input_place].is_floating:
            raise NetworkError(
                f"no derivatives with respect to the input: '{self.input}' holds whole numbers. Ask for those with "
                "respect to the weights only."
            )

    def astype(self, dtype: DTypeLike) -> Network:
        """The same network with weights and floating constants of another type, in which everything is computed."""
        if self.w.dtype == dtype:
            return self
        constants = {
            name: value.astype(dtype) if value.dtype.kind == "f" else value for name, value in self.constants.items()
        }
        return replace(self, w=self.w.astype(dtype), constants=constants)

    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of everything that the derivatives depend on."""
        digest = hashlib.sha256()

        def add(thing: object) -> None:
            if isinstance(thing, np.ndarray):
                digest.update(f"{thing.dtype.str}{thing.shape}".encode())
                digest.update(np.ascontiguousarray(thing).tobytes())
            elif isinstance(thing, Mapping):
                for key in sorted(thing):
                    add(key)
                    add(thing[key])
            elif isinstance(thing, tuple | list):
                digest.update(f"[{len(thing)}".encode())
                for item in thing:
                    add(item)
            else:
                digest.update(f"{type(thing).__name__}:{thing!r};".encode())

        for node in self.nodes:
            add((node.operation, node.inputs, node.outputs, node.attributes))
        add(self.constants)
        add([(weight.name, weight.shape) for weight in self.weights])
        add(self.w)
        add([(i.name, i.shape, i.dtype) for i in self.inputs])
        add((self.input, self.output, self.output_shape))
        return digest.hexdigest()
