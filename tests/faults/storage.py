"""Faults on the way to the store, and in workers: what is written is not what was checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jachess.batch.job import Job
from jachess.batch.new_store import create_store
from jachess.batch.prepare import Prepared, axis_labels
from jachess.batch.quantities import QUANTITIES, Context
from jachess.batch.run import plan_job
from jachess.batch.seal import agreement_of, seal
from jachess.batch.store import Store
from jachess.batch.tasks import read_back_blocks
from jachess.errors import JachessError, StoreError
from jachess.network.graph import Array, Network
from jachess.network.head import error_head
from jachess.result.validation import validate


@dataclass(frozen=True)
class Written:
    """What a task writes at once."""

    array: str
    region: tuple[slice, ...]
    data: Array


Writes = list[Written]


@dataclass(frozen=True)
class StorageFault:
    """A single fault between a block's computation and its place in the store.

    Attributes
    ----------
    array : str
        Whose numbers are wrong in the end.
    change : (Writes, Writes) -> Writes
        From what the tasks write, and what those of a former job of another network wrote, to what is written.
    """

    kind: str
    name: str
    array: str
    change: Callable[[Writes, Writes], Writes]

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


class Storing:
    """A job whose blocks are computed once, and written to as many stores as are wanted."""

    def __init__(self, job: Job) -> None:
        self.prepared = _in_small_blocks(plan_job(job))
        self.record = {**job.identity(), "network": job.network, "targets": job.targets,
                       "points": {name or "points": path for name, path in job.points}}  # fmt: skip
        self.right = self._computed(self.prepared.network)
        self.former = self._computed(trained_a_little_less(self.prepared.network))

    def _computed(self, network: Network) -> Writes:
        plan = self.prepared.plan
        context = Context(network, error_head(network, str(plan.error)), self.prepared.source, plan)
        return [
            Written(*write)
            for name in plan.quantities
            for block in range(QUANTITIES[name].n_blocks(plan))
            for write in QUANTITIES[name].compute(context, block)
        ]

    def store(self, path: Path, writes: Writes) -> Store:
        """A store with everything written, not yet sealed."""
        labels = axis_labels(self.prepared.plan, self.prepared.network)
        attributes = {"state": "running", "job": self.record, "versions": {}, "created_time": "now"}
        store = create_store(path, self.prepared.plan, attributes, labels)
        store.write((write.array, write.region, np.array(write.data)) for write in writes)
        return store

    def found_by(self, fault: StorageFault | None, path: Path) -> str:
        """Which check finds a fault first: ``sealing`` or ``validate``; or none."""
        writes = self.right if fault is None else fault.change(list(self.right), self.former)
        store = self.store(path, writes)
        if fault is not None and np.array_equal(store.array(fault.array)[:], self.whole(fault.array), equal_nan=True):
            raise AssertionError(f"{fault}: nothing in {fault.array} is changed")
        context = self.prepared.context()
        try:
            for name in store.plan.quantities:
                record = QUANTITIES[name]
                read_back_blocks(record.stored_check(context), store, name, range(record.n_blocks(store.plan)))
        except StoreError:
            return "sealing"
        if not seal(store, agreement_of(context)).passed:
            return "sealing"
        try:
            return "" if validate(path).passed else "validate"
        except JachessError:
            return "validate"

    def whole(self, array: str) -> Array:
        """An array as it should be."""
        spec = next(s for name in self.prepared.plan.quantities for s in QUANTITIES[name].arrays(self.prepared.plan)
                    if s.name == array)  # fmt: skip
        values = np.full(spec.shape, np.nan, spec.dtype)
        for write in self.right:
            if write.array == array:
                values[write.region] = write.data
        return values


def _in_small_blocks(prepared: Prepared) -> Prepared:
    """Blocks of a few rows and points, so that a small job has several."""
    plan = prepared.plan
    return replace(prepared, plan=replace(plan, strip=-(-plan.n_weights // 4), points_per_block=-(-plan.n_points // 5)))


def trained_a_little_less(network: Network) -> Network:
    return replace(network, w=network.w * (1 + 1e-3 * np.cos(np.arange(network.n_weights))))


def each(array: str, change: Callable[[Written], Written]) -> Callable[[Writes, Writes], Writes]:
    """Every write of an array changed."""
    return lambda right, former: [change(write) if write.array == array else write for write in right]


def one(array: str, change: Callable[[Array], Any], number: int = 1) -> Callable[[Writes, Writes], Writes]:
    """One write of an array changed."""

    def changed(right: Writes, former: Writes) -> Writes:
        which = [i for i, write in enumerate(right) if write.array == array][number]
        right[which] = replace(right[which], data=change(right[which].data.copy()))
        return right

    return changed


def below(change: Callable[[Array], Array]) -> Callable[[Writes, Writes], Writes]:
    """What is written below the diagonal changed."""
    return each("hessian", lambda write: replace(write, data=change(write.data.copy()))
                if write.region[0].start > write.region[1].start else write)  # fmt: skip


def exchanged(array: str, *numbers: int) -> Callable[[Writes, Writes], Writes]:
    """Two writes of the same shape, each in the other's place."""

    def changed(right: Writes, former: Writes) -> Writes:
        first, second = ([i for i, write in enumerate(right) if write.array == array][number] for number in numbers)
        right[first], right[second] = (
            replace(right[first], data=right[second].data), replace(right[second], data=right[first].data)
        )  # fmt: skip
        return right

    return changed


def of_a_former_job(array: str, number: int = 1) -> Callable[[Writes, Writes], Writes]:
    def changed(right: Writes, former: Writes) -> Writes:
        which = [i for i, write in enumerate(right) if write.array == array][number]
        right[which] = former[which]
        return right

    return changed


def squares(change: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Each square chunk of a block changed."""

    def changed(data: Array) -> Array:
        edge = min(data.shape)
        for start in range(0, max(data.shape) - edge + 1, edge):
            part = data[start : start + edge] if len(data) > edge else data[:, start : start + edge]
            part[:] = change(part.copy())
        return data

    return changed


def first_two_squares_exchanged(data: Array) -> Array:
    edge = min(data.shape)
    data[:, :edge], data[:, edge : 2 * edge] = data[:, edge : 2 * edge].copy(), data[:, :edge].copy()
    return data


def element(data: Array) -> Array:
    data[0, ..., -1] += 1e-7 * np.linalg.norm(data[0], axis=-1)
    return data


STORAGE = (
    StorageFault("wrong place", "two blocks of Jacobians exchanged", "jacobian", exchanged("jacobian", 0, 1)),
    StorageFault("wrong place", "the first block written over the second", "jacobian", lambda right, former:
                 one("jacobian", lambda data: next(w.data for w in right if w.array == "jacobian"))(right, former)),
    StorageFault("wrong place", "two chunks of a strip exchanged", "hessian", one("hessian",
                 first_two_squares_exchanged, 0)),
    StorageFault("wrong place", "points of a block in reverse", "jacobian", one("jacobian", lambda data: data[::-1])),
    StorageFault("wrong place", "rows of a strip one further", "hessian", one("hessian", lambda data:
                 np.roll(data, 1, axis=0), 0)),
    StorageFault("below the diagonal", "not transposed", "hessian", below(squares(np.transpose))),
    StorageFault("below the diagonal", "its sign", "hessian", below(np.negative)),
    StorageFault("below the diagonal", "left zero", "hessian", below(np.zeros_like)),
    StorageFault("below the diagonal", "never written", "hessian", below(lambda data: np.full_like(data, np.nan))),
    StorageFault("below the diagonal", "one element off by 1e-7 of its row's norm", "hessian", below(element)),
    StorageFault("changed element", "by 1e-7 of its row's norm, in a strip", "hessian", one("hessian", element, 0)),
    StorageFault("changed element", "by 1e-7 of its row's norm, in a Jacobian", "jacobian", one("jacobian", element)),
    StorageFault("changed element", "of the gradient, by 1e-6 of its norm", "gradient", one("gradient", lambda data:
                 data + 1e-6 * np.linalg.norm(data) * (np.arange(data.size) == 3), 0)),
    StorageFault("changed element", "of the outputs, by 1e-9", "outputs", one("outputs", lambda data: data + 1e-9)),
    StorageFault("rounding to float32", "of a block of Jacobians", "jacobian", one("jacobian", lambda data:
                 data.astype(np.float32).astype(np.float64))),
    StorageFault("rounding to float32", "of a strip", "hessian", one("hessian", lambda data:
                 data.astype(np.float32).astype(np.float64), 0)),
    StorageFault("byte order", "of a strip", "hessian", one("hessian", lambda data: data.byteswap(), 0)),
    StorageFault("former job", "its strip", "hessian", of_a_former_job("hessian", 0)),
    StorageFault("former job", "its block of Jacobians", "jacobian", of_a_former_job("jacobian")),
    StorageFault("former job", "its gradient", "gradient", of_a_former_job("gradient", 0)),
    StorageFault("stale worker", "one with an old network computes and checks all", "jacobian", lambda right, former:
                 former),
)  # fmt: skip
"""One record a fault."""
