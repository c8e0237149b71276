"""Planning a job: blocks that fit the memory, or a refusal, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from jachess.backprop.jacobian import JacobianKernel
from jachess.backprop.propagation import forward, zero_points
from jachess.backprop.tiling import overlap
from jachess.batch.job import Job
from jachess.batch.plan import Plan
from jachess.batch.quantities import QUANTITIES, n_blocks, works
from jachess.batch.quantities.array_spec import CHUNK
from jachess.batch.storage import Storage
from jachess.errors import PlanError
from jachess.network.graph import Network
from jachess.network.head import Head
from jachess.network.layers import find_layers
from jachess.network.positions import all_layers

WORKER_BASE = 128 * 2**20
"""Bytes of a worker process that has imported everything and does nothing (measured: 104 MiB)."""
POINTS_AT_ONCE = 1024
"""Points of one chunk inside a task: few enough for the cache, enough for fast matrix products."""
DEFAULT_MEMORY = 2 * 2**30
"""Bytes a worker for which blocks are cut, unless the job says; fixed, so that the machine does not shape the store."""
FEWEST_ROWS = 64
"""Rows of a strip, at least, where there are so many: a smaller one does too much for itself alone."""
FEW_ROWS = 256
"""Rows of a strip below which fewer points at once are the better way to need less memory."""
WHOLE_ROWS = 0.75
"""Share of the largest chunk's edge that whole rows of a tensor should have at least."""
BLOCKS = 8
"""A small job is still cut into as many blocks, so that workers share it and a kill loses little."""


def make_plan(
    job: Job,
    network: Network,
    head: Head | None,
    n_points: int,
    fingerprints: Mapping[str, str | None],
    points_memory: int = 0,
    before: Plan | None = None,
) -> Plan:
    """Cut a job into blocks that fit the memory of a worker, of which the points' files hold some bytes.

    Where an earlier result is extended, blocks of points are those of its plan, ``before``.

    Raises
    ------
    PlanError
        If the network has no weights where some are needed, or the job does not fit.
    NetworkError
        If derivatives with respect to the input are asked for, and it has none.
    """
    if not network.n_weights and (job.needs_error or "weight_jacobian" in job.quantities):
        raise PlanError(
            f"{job.network}: no weights are found in the network, so it has no derivatives with respect to them. "
            "Name its weight tensors: weights: [NAME, …]."
        )
    if {"jacobian", "input_hessian"} & set(job.quantities):
        network.check_input()
    absent = [k for k in job.input_hessian_outputs or () if k >= network.n_outputs]
    if absent:
        raise PlanError(
            f"input_hessian_outputs: there is no output {absent[0]} (wanted 0 to {network.n_outputs - 1}). "
            "Leave it out."
        )
    itemsize = int(np.dtype(job.dtype).itemsize)
    per_point = max(1, network.n_outputs * network.n_inputs * itemsize)
    edge = min(_round_up(-(-network.n_weights // BLOCKS), 8), _longest_edge(network, itemsize))
    one_point = forward(network, zero_points(network, 1))
    plan = Plan(
        quantities=job.quantities,
        n_points=n_points,
        n_inputs=network.n_inputs,
        n_outputs=network.n_outputs,
        n_weights=network.n_weights,
        dtype=job.dtype,
        triangle=job.triangle,
        method=job.method,
        error=job.error if job.needs_error else None,
        points_per_block=max(1, min(CHUNK // per_point, max(16, -(-n_points // BLOCKS)), n_points)),
        outputs_per_chunk=min(network.n_outputs, max(1, 2 * CHUNK // (network.n_inputs * itemsize))),
        strip=max(1, min(max(edge, FEWEST_ROWS), network.n_weights)),
        points_at_once=-(-n_points // -(-n_points // POINTS_AT_ONCE)),
        value_width=one_point.n_elements - one_point.n_working,
        working_width=one_point.n_working,
        n_entering=_n_entering(network),
        unit_inputs=_unit_inputs(network),
        jacobian_width=JacobianKernel(network, method=job.method).width if "jacobian" in job.quantities else 0,
        weights=tuple((weight.name, weight.shape, weight.offset) for weight in network.weights),
        input_shape=network.input_shape,
        output_shape=network.output_shape,
        reading=head.reading if head is not None else "",
        notes=network.notes,
        fingerprints=dict(fingerprints),
        identity=job.identity(),
        points_memory=points_memory,
        tall=True,
    )
    if before is not None:
        plan = replace(plan, n_before=before.n_points, points_per_block=before.points_per_block, strip=before.strip)
    memory = DEFAULT_MEMORY if job.memory is None else job.memory
    fitted = _fitted(plan, memory)
    if before is not None and (fitted.points_per_block, fitted.strip) != (before.points_per_block, before.strip):
        raise PlanError(
            f"memory: too small for the blocks of the result that is extended (wanted {size(task_memory(plan))} a "
            f"worker; got {size(memory)}). Allow more: --memory."
        )
    return fitted


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _longest_edge(network: Network, itemsize: int) -> int:
    """The edge of a square chunk: of whole rows of the largest tensor, if that makes it little smaller.

    Strips that cut a unit compute some of what they need twice.
    """
    edge = int(np.sqrt(CHUNK / itemsize))
    largest = max(network.weights, key=lambda weight: weight.size, default=None)
    row = 1 if largest is None else max(1, math.prod(largest.shape[1:]))
    whole = edge // row * row
    return whole if whole >= WHOLE_ROWS * edge else edge


def _n_entering(network: Network) -> int:
    layers, _ = find_layers(network)
    shared = sum(layer.indices.size for layer in layers) * 2 * overlap(layers)
    return max(network.n_weights, shared)


def _unit_inputs(network: Network) -> int:
    layers, positioned, others = all_layers(network)
    return 0 if positioned or others else max((len(layer.indices) for layer in layers), default=0)


def task_memory(plan: Plan) -> int:
    """Bytes that a worker needs at most."""
    return WORKER_BASE + plan.points_memory + max(work.memory(plan) for work in works(plan))


def _fitted(plan: Plan, memory: int) -> Plan:
    """The plan with strips and blocks small enough for ``memory`` bytes a worker."""
    smallest = replace(
        plan, strip=min(plan.strip, 16), points_per_block=1, points_at_once=min(plan.points_at_once, 16), tall=False
    )
    while task_memory(plan) > memory:
        smaller = replace(
            plan, strip=max(smallest.strip, plan.strip // 2), points_per_block=max(1, plan.points_per_block // 2)
        )
        if plan.tall and plan.strip <= FEW_ROWS:  # of low strips fewer units have tangents at once
            smaller = replace(plan, tall=False)
        elif smaller == plan or plan.strip <= FEW_ROWS:
            smaller = replace(smaller, points_at_once=max(smallest.points_at_once, plan.points_at_once // 2))
        if smaller == plan:
            raise PlanError(
                f"memory: too small for this job (wanted at least {size(task_memory(smallest))} a worker; "
                f"got {size(memory)}). Allow more: --memory {-(-task_memory(smallest) // 2**20)}MiB."
            )
        plan = smaller
    return plan


def disk_bytes(plan: Plan) -> int:
    """Bytes of the store, and of partial sums while it grows; chunks at the edges are stored whole."""
    return sum(spec.stored_bytes for work in works(plan) for spec in work.arrays(plan))


def bytes_of_blocks(plan: Plan, count: int) -> int:
    """Bytes of so many blocks, as they are on average."""
    return disk_bytes(plan) * count // n_blocks(plan)


def check_disk(plan: Plan, storage: Storage, present: int = 0) -> None:
    """Refuse a job whose result does not fit the place it goes to.

    Raises
    ------
    PlanError
        If less is free than is still to be written.
    """
    free, wanted = storage.free_bytes(), disk_bytes(plan) - present
    if free is not None and wanted > free:
        raise PlanError(
            f"{storage}: the disk is too small (wanted {size(wanted)}; got {size(free)} free). Choose another place, "
            "or store float32."
        )


def size(n_bytes: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if n_bytes < 1024 or unit == "TiB":
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    raise AssertionError


def describe(plan: Plan) -> str:
    """The plan as `jachess plan` prints it."""
    lines = [
        f"points    {plan.n_points:,} with {plan.n_inputs:,} inputs",
        f"network   {plan.n_outputs:,} outputs, {plan.n_weights:,} weights in {len(plan.weights)} tensors",
    ]
    lines += [f"          {name} {tuple(shape)} from {offset}" for name, shape, offset in plan.weights]
    lines += [f"          note: {note}" for note in plan.notes]
    if plan.error:
        lines.append(f"error     {plan.error}; {plan.reading}")
    if plan.n_before:
        lines.append(f"extends   a result that has the first {plan.n_before:,} points: only the others are computed")
    for name in plan.quantities:
        quantity = QUANTITIES[name]
        shape = " × ".join(f"{length:,}" for length in quantity.arrays(plan)[0].shape)
        sums = quantity.split(plan)
        ranges = f" of {sums.n_ranges(plan):,} ranges of points each" if sums is not None else ""
        lines.append(f"{name:<9} {shape} {plan.dtype}, in {quantity.n_blocks(plan):,} blocks{ranges}")
    share = 1 - plan.n_before / plan.n_points
    operations = share * sum(QUANTITIES[name].operations(plan) for name in plan.quantities)
    lines += [
        f"work      about {operations:.1e} operations",
        f"memory    at most {size(task_memory(plan))} a worker",
        f"disk      {size(disk_bytes(plan))}",
    ]
    return "\n".join(lines)
