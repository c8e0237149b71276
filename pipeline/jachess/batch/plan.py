"""The plan of a job: its sizes and how it is cut into blocks.

All that the stored bytes depend on is in the plan; how many workers there are is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

NUMERICS = "9"
"""Version of the digits: raised with every change by which a job gives other bytes, such as another order of a sum,
another step of a central difference or another seed. A store that one version began is not finished by another."""

SIZES = ("n_points", "n_inputs", "n_outputs", "n_weights", "weights", "input_shape", "output_shape", "value_width")
"""What a plan has from network and points alone."""


@dataclass(frozen=True)
class Plan:
    """How a job is cut into blocks.

    Attributes
    ----------
    n_points, n_inputs, n_outputs, n_weights : int
        N, D, K, W.
    triangle : str
        Which chunks of the Hessian are stored: "both" triangles', or those of the "upper" one.
    points_per_block : int
        Points of one block of Jacobians, or of outputs.
    outputs_per_chunk : int
        Outputs of one chunk of Jacobians; all, unless a single point's Jacobian is larger than a chunk.
    strip : int
        Edge of the Hessian's square chunks, and rows of its first block.
    value_width : int
        Elements of all values of the network for one point.
    working_width : int
        Elements of what one operation makes on the way for one point, such as what windows see.
    n_entering : int
        Weights; where layers share some, counted as often as they enter one, and for both sides of the diagonal.
    unit_inputs : int
        Weights that enter one unit, at most; 0 if not all enter units without positions, and in earlier versions.
    jacobian_width : int
        Elements of the largest working array for the Jacobian of one point.
    weights : tuple of (name, shape, offset)
    fingerprints : mapping
        Of network, points and targets, and `NUMERICS`.
    identity : mapping
        `Job.identity`.
    points_memory : int
        Bytes that a worker keeps of the files of points, and needs to read them.
    tall : bool
        Whether blocks of the Hessian have the more rows the fewer columns; else all are alike, as in earlier versions.
    n_before : int
        Points that are not computed, since an earlier result has them.
    """

    quantities: tuple[str, ...]
    n_points: int
    n_inputs: int
    n_outputs: int
    n_weights: int
    dtype: str
    triangle: str
    method: str
    error: str | None
    points_per_block: int
    outputs_per_chunk: int
    strip: int
    points_at_once: int
    value_width: int
    weights: tuple[tuple[str, tuple[int, ...], int], ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    reading: str
    notes: tuple[str, ...]
    fingerprints: Mapping[str, str | None]
    identity: Mapping[str, Any]
    points_memory: int = 0
    tall: bool = False
    n_before: int = 0
    working_width: int = 0
    n_entering: int = 0
    unit_inputs: int = 0
    jacobian_width: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Plan:
        """The plan that a store was made by."""
        values = {field.name: given[field.name] for field in fields(cls) if field.name in given}
        for name in ("quantities", "input_shape", "output_shape", "notes"):
            values[name] = tuple(values[name])
        values["weights"] = tuple((name, tuple(shape), offset) for name, shape, offset in values["weights"])
        return cls(**values)

    @property
    def itemsize(self) -> int:
        """Bytes of one stored number."""
        return int(np.dtype(self.dtype).itemsize)
