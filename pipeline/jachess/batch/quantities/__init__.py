"""The quantities that jobs compute: one record each, enrolled by being listed."""

from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import ArraySpec
from jachess.batch.quantities.block_diagonal import BLOCK_DIAGONAL, OUTER_PRODUCT_BLOCKS
from jachess.batch.quantities.gradient import GRADIENT
from jachess.batch.quantities.hessian import HESSIAN, OUTER_PRODUCT
from jachess.batch.quantities.input_hessian import INPUT_HESSIAN
from jachess.batch.quantities.jacobian import JACOBIAN
from jachess.batch.quantities.outputs import OUTPUTS
from jachess.batch.quantities.record import Context, FurtherCheck, Quantity
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


def checks_of(plan: Plan) -> dict[str, tuple[Quantity, Quantity | FurtherCheck]]:
    """All checks of what is stored: each by its name, with the quantity that it is a check of."""
    records = [QUANTITIES[name] for name in plan.quantities]
    checks: list[tuple[Quantity, Quantity | FurtherCheck]] = [(record, record) for record in records]
    checks += [(record, check) for record in records for check in record.further if check.applies(plan)]
    return {check.name: (record, check) for record, check in checks}


__all__ = ["QUANTITIES", "ArraySpec", "Context", "FurtherCheck", "Quantity", "checks_of"]
