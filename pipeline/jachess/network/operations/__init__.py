"""The table of operations: everything that jachess knows about each, as records of rules."""

from jachess.network.operations.activations import ACTIVATIONS, STANDARDISATION
from jachess.network.operations.arithmetic import ARITHMETIC
from jachess.network.operations.choosing import CLIP, WHERE
from jachess.network.operations.joining import JOINING
from jachess.network.operations.linear import LINEAR
from jachess.network.operations.movement import MOVEMENT
from jachess.network.operations.record import Operation
from jachess.network.operations.reductions import REDUCTIONS
from jachess.network.operations.shapes import SHAPES
from jachess.network.operations.smooth import SMOOTH
from jachess.network.operations.softmax import SOFTMAX

TABLE: dict[str, Operation] = {
    record.name: record
    for records in (
        SMOOTH,
        ACTIVATIONS,
        ARITHMETIC,
        (WHERE, CLIP, STANDARDISATION),
        LINEAR,
        REDUCTIONS,
        SOFTMAX,
        MOVEMENT,
        JOINING,
        SHAPES,
    )
    for record in records
}

__all__ = ["TABLE", "Operation"]
