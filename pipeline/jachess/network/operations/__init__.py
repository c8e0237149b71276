"""The table of operations: everything that jachess knows about each, as records of rules or as graphs of others."""

from jachess.network.operations.activations import ACTIVATIONS, SCALER
from jachess.network.operations.arithmetic import ARITHMETIC
from jachess.network.operations.choosing import CLIP, WHERE
from jachess.network.operations.composites import COMPOSITES
from jachess.network.operations.convolution import CONVOLUTION
from jachess.network.operations.einsum import EINSUM
from jachess.network.operations.gathering import GATHERING
from jachess.network.operations.joining import JOINING
from jachess.network.operations.linear import LINEAR
from jachess.network.operations.movement import MOVEMENT
from jachess.network.operations.pooling import POOLING
from jachess.network.operations.record import Operation
from jachess.network.operations.reductions import REDUCTIONS
from jachess.network.operations.resampling import RESAMPLING
from jachess.network.operations.scattering import SCATTERING
from jachess.network.operations.shapes import SHAPES
from jachess.network.operations.smooth import SMOOTH
from jachess.network.operations.softmax import SOFTMAX
from jachess.network.operations.standardisation import STANDARDISATION
from jachess.network.operations.trigonometry import TRIGONOMETRY

TABLE: dict[str, Operation] = {
    record.name: record
    for records in (
        SMOOTH,
        TRIGONOMETRY,
        ACTIVATIONS,
        ARITHMETIC,
        (WHERE, CLIP, SCALER),
        LINEAR,
        CONVOLUTION,
        (EINSUM,),
        POOLING,
        RESAMPLING,
        REDUCTIONS,
        SOFTMAX,
        (STANDARDISATION,),
        MOVEMENT,
        GATHERING,
        SCATTERING,
        JOINING,
        SHAPES,
    )
    for record in records
}

__all__ = ["COMPOSITES", "TABLE", "Operation"]
