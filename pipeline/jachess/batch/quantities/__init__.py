"""The quantities that jobs compute: one record each, enrolled by being listed."""

from jachess.batch.quantities.block_diagonal import BLOCK_DIAGONAL, OUTER_PRODUCT_BLOCKS
from jachess.batch.quantities.gradient import GRADIENT
from jachess.batch.quantities.hessian import HESSIAN, OUTER_PRODUCT
from jachess.batch.quantities.input_hessian import INPUT_HESSIAN
from jachess.batch.quantities.jacobian import JACOBIAN
from jachess.batch.quantities.outputs import OUTPUTS
from jachess.batch.quantities.record import ArraySpec, Context, Quantity
from jachess.batch.quantities.weight_jacobian import WEIGHT_JACOBIAN

QUANTITIES: dict[str, Quantity] = {
    record.name: record
    for record in (
        OUTPUTS,
        JACOBIAN,
        WEIGHT_JACOBIAN,
        INPUT_HESSIAN,
        GRADIENT,
        HESSIAN,
        OUTER_PRODUCT,
        BLOCK_DIAGONAL,
        OUTER_PRODUCT_BLOCKS,
    )
}

__all__ = ["QUANTITIES", "ArraySpec", "Context", "Quantity"]
