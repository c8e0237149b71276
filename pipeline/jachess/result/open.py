"""Opening a result: what was computed, whether it is right, and its arrays by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jachess.batch.plan import Plan
from jachess.batch.quantities import QUANTITIES
from jachess.batch.store import Store
from jachess.checks.verdict import Verdict
from jachess.errors import InputError


@dataclass(frozen=True)
class Result:
    """A result, complete or still growing.

    Attributes
    ----------
    store : Store
    """

    store: Store

    @classmethod
    def open(cls, path: str | Path) -> Result:
        """Open the store at ``path``; StoreError if there is no result of jachess."""
        return cls(Store(Path(path)))

    @property
    def path(self) -> Path:
        """Where the result is."""
        return self.store.path

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

    def array(self, name: str) -> Any:
        """The Zarr array ``name``, such as ``jacobian`` or ``hessian``.

        Raises
        ------
        StoreError
            If the result has no such array.
        """
        return self.store.array(name)

    def to_xarray(self) -> Any:
        """The result as an xarray.Dataset whose arrays are read when they are needed.

        Raises
        ------
        InputError
            If xarray is not installed.
        """
        try:
            import xarray
        except ImportError as error:
            raise InputError("to_xarray: needs xarray. Install it: pip install 'jachess[xarray]'.") from error
        return xarray.open_zarr(self.path, consolidated=False, chunks=None)

    def progress(self) -> dict[str, tuple[int, int]]:
        """Blocks that are done, and all blocks, of each quantity."""
        return {
            name: (int(self.store.done(name).sum()), QUANTITIES[name].n_blocks(self.plan))
            for name in self.plan.quantities
        }
