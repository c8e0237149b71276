"""What an operation is: a record of rules.

Every rule works on whole arrays with any leading axes in front of a value's own axes. A value itself has
none: the activations of N points are (N, units), a weight is (out, in). A tangent (forward formalism) or a
cotangent (reverse recursion, 8.30) of it has the value's shape with leading axes in front, usually one:
the rows of a block, (rows, N, units). So rules count a value's axes FROM THE END (``axis - ndim``), and
what they do to the value they do, unchanged, to all rows at once.

For y = f(x_1, x_2, …) with ȳ = ∂E/∂y the rules are

* ``forward``:    y = f(x)
* ``tangent``:    ẏ = Σ_i (∂f/∂x_i) ẋ_i
* ``cotangent``:  x̄_i = (∂f/∂x_i)ᵀ ȳ
* ``curvature``:  the part of the tangent of the cotangent that comes from f's own curvature,
  Σ_j (∂/∂x_j [(∂f/∂x_i)ᵀ ȳ]) ẋ_j; the whole is curvature + cotangent of the tangent of ȳ. An operation that is
  linear in all its inputs together has none. What it returns is a new array, and so is what the cotangent rule
  of an elementwise operation with curvature returns: the two are added up in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jachess.network.graph import Array

Arrays = tuple[Array, ...]
Maybe = tuple[Array | None, ...]
"""One entry an input (or output); None is a zero that is not spelled out, or an input that is left out."""


@dataclass(frozen=True)
class Call:
    """One application of an operation: its attributes (defaults filled in), inputs and outputs.

    What several rules need, or one again for other rows, is computed `once`.
    """

    attributes: Mapping[str, Any]
    inputs: Maybe
    outputs: Arrays = ()
    _known: dict[object, Array] = field(default_factory=dict, repr=False, compare=False)

    def once(self, key: object, compute: Callable[[], Array]) -> Array:
        """The array of that key, computed when it is first asked for."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    @property
    def x(self) -> Array:
        """The first input."""
        assert self.inputs[0] is not None
        return self.inputs[0]

    @property
    def y(self) -> Array:
        """The first output."""
        return self.outputs[0]


Wanted = tuple[bool, ...]
"""For each input: is its cotangent wanted?"""


@dataclass(frozen=True)
class PointAxis:
    """The axis of a value on which the points are, (before · N · after) elements long."""

    axis: int
    before: int = 1
    after: int = 1

    def by_position(self, rows: Array, ndim: int, units: int = -1) -> Array:
        """Rows (lead, *shape) of a value with ``ndim`` axes as (lead, N, J, S).

        J is the axis ``units``, counted from the end and behind the points'; all others together are the S positions.
        """
        lead, rows = rows.ndim - ndim, np.moveaxis(rows, units, -1)
        axis = lead + self.axis
        front, behind = rows.shape[:axis], rows.shape[axis + 1 :]
        n_points = rows.shape[axis] // (self.before * self.after)
        apart = rows.reshape(*front, self.before, n_points, self.after, *behind)
        first = np.moveaxis(apart, axis + 1, lead)
        return first.reshape(*first.shape[: lead + 1], -1, first.shape[-1]).swapaxes(-1, -2)


@dataclass(frozen=True)
class Positions:
    """How a matrix of weights acts at S positions of each point: a_js = Σ_i w_ji z_is + ….

    Attributes
    ----------
    seen : rows of the source -> z, (…, N, I, S)
    units : rows of the output -> a, (…, N, J, S)
    matrix : an array shaped as the weights -> w, (J, I)
    weights, source, bias : int
        The input slots of w, of what z is made of, and of a number that is added to each unit.
    """

    seen: Callable[[Array], Array]
    units: Callable[[Array], Array]
    matrix: Callable[[Array], Array]
    weights: int = 1
    source: int = 0
    bias: int = 2


@dataclass(frozen=True)
class Operation:
    """A record of rules; see the module's docstring for what each returns.

    Attributes
    ----------
    name : str
        ONNX's name.
    inputs : (int, int)
        Least and largest number of inputs.
    forward : Call -> Arrays
    tangent : (Call, tangents of the inputs) -> tangents of the outputs, or None where no derivative exists
    cotangent : (Call, cotangents of the outputs, wanted) -> cotangents of the inputs
    curvature : (Call, tangents of the inputs, cotangents of the outputs, wanted) -> one array an input
    sides : Call -> array, or None
        For an operation with kinks: which piece each element is on (integers, leading axis as the value's).
    attributes : mapping
        Every attribute that the operation understands, with its default.
    weights : tuple of int
        Input slots in which a floating constant of the file counts as a weight.
    moves : bool
        It only moves elements of its first input (or, Concat, of all): no arithmetic.
    linear : bool
        It is linear in each of its inputs.
    elementwise : bool
        Each element of the output depends on one element of each input: that at its place, if the shapes agree.
    derivative : Call -> array
        f'(x), of the value's shape, of an elementwise function of one variable.
    analytic : bool
        Its rules are analytic functions and take complex numbers, so that Im f(x + iε)/ε is a derivative too.
    from_diagonal : (Call, rows (J, n), units (J,)) -> tangents (J, n, M) or None
        Of a linear operation: tangents of the output if row j of the first input's is zero but at unit ``units[j]``.
        None where there is no shorter way than by all the zeros.
    positions : (Call, PointAxis) -> Positions or None
        Of an operation in which weights may act at many positions of each point; that axis is source's and output's.
    static : tuple of int
        Inputs that say what is done, like a shape: the same for all points, and no weights.
    working : Call -> int
        Elements of what the rules make on the way, such as what windows see, where that is more than the values.
    domain : str
        ONNX's domain; "" is its own set of operations.
    """

    name: str
    inputs: tuple[int, int]
    forward: Callable[[Call], Arrays]
    tangent: Callable[[Call, Maybe], Maybe] | None = None
    cotangent: Callable[[Call, Maybe, Wanted], Maybe] | None = None
    curvature: Callable[[Call, Maybe, Maybe, Wanted], Maybe] | None = None
    sides: Callable[[Call], Array] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[int, ...] = ()
    moves: bool = False
    linear: bool = False
    elementwise: bool = False
    derivative: Callable[[Call], Array] | None = None
    analytic: bool = False
    from_diagonal: Callable[[Call, Array, Array], Array | None] | None = None
    positions: Callable[[Call, PointAxis], Positions | None] | None = None
    static: tuple[int, ...] = ()
    working: Callable[[Call], int] = lambda call: 0
    domain: str = ""
