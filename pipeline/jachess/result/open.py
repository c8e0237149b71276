"""Opening a result: what was computed, whether it is right, and its arrays by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from jachess.batch.job import n_bytes
from jachess.batch.plan import Plan
from jachess.batch.quantities import QUANTITIES
from jachess.batch.storage import storage_of
from jachess.batch.store import Store
from jachess.checks.verdict import Verdict
from jachess.errors import IncompleteError, NetworkError, StoreError
from jachess.network.graph import Network
from jachess.network.sources import read_network
from jachess.result.axes import Axis
from jachess.result.jacobian import Jacobian
from jachess.result.labelled import LabelledArray
from jachess.result.lazy import dataset
from jachess.result.source import Source
from jachess.result.symmetric import SymmetricMatrix

MEMORY = "1GiB"
"""What reading or an analysis may hold at a time, unless asked otherwise."""

_KINDS: dict[tuple[str, ...], type[LabelledArray]] = {
    ("weight_i", "weight_j"): SymmetricMatrix,
    ("point", "output", "input"): Jacobian,
    ("point", "output", "weight_i"): Jacobian,
}
"""What arrays of these dimensions are."""


@dataclass(frozen=True)
class Result:
    """A result, complete or still growing.

    Attributes
    ----------
    store : Store
    memory : int
        Bytes that reading or an analysis may hold at a time.
    """

    store: Store
    memory: int

    @classmethod
    def open(cls, path: str | Path, *, memory: str = MEMORY) -> Result:
        """Open the store at a path or URL; StoreError if there is no result of jachess."""
        storage = storage_of(path)
        storage.reach()
        storage = storage.led()
        store = Store(storage)
        store.check()
        return cls(store, n_bytes(memory))

    @property
    def path(self) -> str:
        """Where the result is: a path or URL."""
        return str(self.store.storage)

    @property
    def plan(self) -> Plan:
        """Sizes, weights and blocks of the result."""
        return self.store.plan

    @property
    def state(self) -> str:
        """``running``, ``complete`` or ``failed``."""
        return str(self.store.attributes["state"])

    @property
    def verdict(self) -> Verdict | None:
        """The verdict: passed, a sentence, numbers for each quantity; None before the result is complete."""
        stored = self.store.attributes.get("verdict")
        return None if stored is None else Verdict.from_dict(stored)

    def __repr__(self) -> str:
        verdict = self.verdict
        lines = [f"<jachess result {self.path}: {self.state}>"]
        lines += [f"  {name}: {done:,} of {total:,} blocks" for name, (done, total) in self.progress().items()]
        return "\n".join([*lines, f"  {verdict.sentence()}"] if verdict else lines)

    def array(self, name: str) -> Any:
        """The Zarr array ``name``, such as ``jacobian`` or ``hessian``, as it is stored.

        Raises
        ------
        StoreError
            If the result has no such array.
        """
        return self.store.array(name)

    def __getitem__(self, name: str) -> LabelledArray:
        """The array ``name`` with the names of its elements, and with both halves of a symmetric one.

        Raises
        ------
        StoreError
            If the result has no such array.
        """
        stored = self.store.array(name)
        label = cache(lambda which: self.store.label(f"{which}_i"))
        axes = tuple(
            Axis(dimension, length, self.plan, label)
            for dimension, length in zip(stored.metadata.dimension_names, stored.shape, strict=True)
        )
        kind = _KINDS.get(tuple(axis.name for axis in axes), LabelledArray)
        return kind(Source.of(stored, name), axes, self.memory, partial(self._require, name))

    def _require(self, name: str) -> None:
        """IncompleteError if a part of the array is missing."""
        for quantity in self.plan.quantities:
            if name in (spec.name for spec in QUANTITIES[quantity].arrays(self.plan)):
                done = self.store.done(quantity)
                if not done.all():
                    raise IncompleteError(
                        f"{self.path}: {(~done).sum():,} of {len(done):,} blocks of {quantity} are missing. "
                        "Run the job again: it computes only those."
                    )

    @property
    def hessian(self) -> SymmetricMatrix:
        """The Hessian (W, W); ``result.hessian["hidden.weight", "output.bias"].values`` is a block of it."""
        found = self["hessian"]
        assert isinstance(found, SymmetricMatrix)
        return found

    @property
    def outer_product(self) -> SymmetricMatrix:
        """The outer-product form of the Hessian (W, W)."""
        found = self["outer_product"]
        assert isinstance(found, SymmetricMatrix)
        return found

    @property
    def jacobian(self) -> Jacobian:
        """The Jacobians (N, K, D): ``result.jacobian.sel(point=3, output=0).values`` is one row."""
        found = self["jacobian"]
        assert isinstance(found, Jacobian)
        return found

    @property
    def weight_jacobian(self) -> Jacobian:
        """The derivatives of the outputs with respect to the weights (N, K, W)."""
        found = self["weight_jacobian"]
        assert isinstance(found, Jacobian)
        return found

    @property
    def input_hessian(self) -> LabelledArray:
        """The second derivatives of the chosen outputs with respect to the inputs (N, K, D, D)."""
        return self["input_hessian"]

    @property
    def gradient(self) -> LabelledArray:
        """The gradient (W,)."""
        return self["gradient"]

    @property
    def outputs(self) -> LabelledArray:
        """The outputs (N, K)."""
        return self["outputs"]

    def network(self) -> Network:
        """The network that the result was computed from, with its weight vector.

        Raises
        ------
        StoreError
            If its file is gone or another one.
        """
        job = self.store.attributes["job"]
        weights = job["weights"] if isinstance(job["weights"], str) else list(job["weights"])
        try:
            network = read_network(job["network"], weights=weights, input=job["input"], output=job["output"])
        except NetworkError as error:
            raise StoreError(f"{self.path}: its network cannot be read again ({error})") from error
        if network.fingerprint() != self.plan.fingerprints["network"]:
            raise StoreError(f"{self.path}: {job['network']} changed since the result was computed.")
        return network

    def to_xarray(self) -> Any:
        """The result as an xarray.Dataset whose arrays are read when they are needed, both halves of symmetric ones.

        Raises
        ------
        InputError
            If xarray is not installed.
        """
        found = (
            Source.of(self.array(spec.name), spec.name)
            for q in self.plan.quantities
            for spec in QUANTITIES[q].arrays(self.plan)
        )
        return dataset(self.store, [source for source in found if source.symmetric])

    def progress(self) -> dict[str, tuple[int, int]]:
        """Blocks that are done, and all blocks, of each quantity."""
        return {
            name: (int(self.store.done(name).sum()), QUANTITIES[name].n_blocks(self.plan))
            for name in self.plan.quantities
        }
