"""What tasks do to a block: compute it, add what others have computed of it, or take it from an earlier result."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from jachess.batch.quantities.array_spec import ArraySpec, Region, chunk_region
from jachess.batch.quantities.record import (
    Context,
    Quantity,
    Read,
    Work,
    Write,
    computed_arrays,
)
from jachess.network.graph import Array


def block_writes(work: Work, context: Context, read: Read, block: int) -> Iterator[Write]:
    """What there is to be written of a block, the receipt last; ``read`` gives what others have written."""
    if isinstance(work, Quantity):
        sums = work.split(context.plan)
        if sums is not None:
            return sums.add(context, read, block)
        if _is_earlier(work, context, block):
            return _copied(work, context, block)
    return work.compute(context, block)


def read_back_check(quantity: Quantity, context: Context, read: Read) -> Callable[[Read, int], Array]:
    """The check of blocks that are read back; the differences that sums are compared with are there already."""
    sums = quantity.split(context.plan)
    check_own = quantity.stored_check(context) if sums is None else sums.check(context, read)

    def check(read: Read, block: int) -> Array:
        if _is_earlier(quantity, context, block):
            return _compared(quantity, context, read, block)
        return check_own(read, block)

    return check


def _is_earlier(quantity: Quantity, context: Context, block: int) -> bool:
    """Whether all points of a block are in the earlier result."""
    if context.earlier is None or quantity.arrays(context.plan)[0].dimensions[0] != "point":
        return False
    last: int = quantity.rows(context.plan, block)[0].stop
    return last <= context.plan.n_before


def _regions(spec: ArraySpec, block: int) -> Iterator[Region]:
    """The chunks of a block, one by one."""
    for indices in np.argwhere(spec.owners == block).tolist():
        yield chunk_region(indices, spec.chunks, spec.shape)


def _copied(quantity: Quantity, context: Context, block: int) -> Iterator[Write]:
    assert context.earlier is not None
    for spec in computed_arrays(quantity, context.plan):
        for region in _regions(spec, block):
            yield spec.name, region, context.earlier(spec.name, region)


def _compared(quantity: Quantity, context: Context, read: Read, block: int) -> Array:
    """What was found when the earlier result was read back, if the copy is the same."""
    assert context.earlier is not None
    rows = quantity.rows(context.plan, block)
    found = context.earlier(quantity.read_back, rows)
    for region in _regions(quantity.arrays(context.plan)[0], block):
        if not np.array_equal(read(quantity.name, region), context.earlier(quantity.name, region), equal_nan=True):
            return np.full(found.shape, np.inf)
    return found
