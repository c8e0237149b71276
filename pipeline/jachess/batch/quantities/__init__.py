"""The quantities that jobs compute: one record each, enrolled by being listed."""

from jachess.batch.plan import Plan
from jachess.batch.quantities.array_spec import ArraySpec
from jachess.batch.quantities.block_diagonal import BLOCK_DIAGONAL, OUTER_PRODUCT_BLOCKS
from jachess.batch.quantities.diagonal import DIAGONAL, OUTER_PRODUCT_DIAGONAL
from jachess.batch.quantities.gradient import GRADIENT
from jachess.batch.quantities.hessian import HESSIAN, OUTER_PRODUCT
from jachess.batch.quantities.input_hessian import INPUT_HESSIAN
from jachess.batch.quantities.jacobian import JACOBIAN
from jachess.batch.quantities.outputs import OUTPUTS
from jachess.batch.quantities.record import Context, FurtherCheck, Quantity, Work
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
        DIAGONAL,
        OUTER_PRODUCT_DIAGONAL,
    )
}

WORKS: dict[str, Work] = {
    **QUANTITIES,
    **{
        work.name: work
        for record in QUANTITIES.values()
        if record.sums is not None
        for work in (record.sums.parts, record.sums.differences)
    },
}
"""All that tasks compute: quantities, partial sums, and what sums are compared with."""


def partial_works(plan: Plan) -> list[Work]:
    """What is computed by ranges of points, and kept only while a job runs."""
    split = [sums for name in plan.quantities if (sums := QUANTITIES[name].split(plan)) is not None]
    return list({work.name: work for sums in split for work in (sums.parts, sums.differences)}.values())


def works(plan: Plan) -> list[Work]:
    """All that the tasks of a plan compute."""
    return [*(QUANTITIES[name] for name in plan.quantities), *partial_works(plan)]


def n_blocks(plan: Plan) -> int:
    """Blocks of all quantities."""
    return sum(QUANTITIES[name].n_blocks(plan) for name in plan.quantities)


def checks_of(plan: Plan) -> dict[str, tuple[Quantity, Quantity | FurtherCheck]]:
    """All checks of what is stored: each by its name, with the quantity that it is a check of."""
    records = [QUANTITIES[name] for name in plan.quantities]
    checks: list[tuple[Quantity, Quantity | FurtherCheck]] = [(record, record) for record in records]
    checks += [(record, check) for record in records for check in record.further if check.applies(plan)]
    return {check.name: (record, check) for record, check in checks}


__all__ = [
    "QUANTITIES",
    "WORKS",
    "ArraySpec",
    "Context",
    "FurtherCheck",
    "Quantity",
    "Work",
    "checks_of",
    "n_blocks",
    "partial_works",
    "works",
]
