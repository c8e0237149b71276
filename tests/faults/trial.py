"""One fault in one network: what it changes, and whether the checks see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from jachess.backprop.row_products import norms
from jachess.network.graph import Array
from jachess.network.head import error_head
from tests.faults.blocks import compute, context_of
from tests.faults.data import result
from tests.faults.fault import Fault
from tests.networks import Case


@dataclass(frozen=True)
class Trial:
    """What a fault did to the rows of a quantity.

    Attributes
    ----------
    changes : array (rows,)
        Change of each row, relative to its norm; infinite where there is nothing.
    failed : bool array (rows,)
        Which rows the check refused.
    error : str
        Why nothing was computed at all; "" if something was.
    """

    changes: Array
    failed: Array
    error: str = ""

    def bites(self, fault: Fault) -> bool:
        """Whether the fault is one here: it changes more than rounding does."""
        return bool((self.changes > fault.least).any())

    @property
    def caught(self) -> bool:
        """Whether a row was refused."""
        return bool(self.failed.any())


class Subject:
    """A network, what is right for it, and how fine its checks are; computed when first asked for."""

    def __init__(self, case: Case, folder: Path, dtype: str = "float64", **changes: int) -> None:
        folder.mkdir()
        self.case, self.context = case, context_of(case, folder, dtype, **changes)
        self.operations = {node.operation for node in case.network.nodes}
        self.right = cache(lambda quantity: compute(self.context, quantity))
        self.resolution = cache(self._resolution)

    def _resolution(self, quantity: str) -> Array:
        """What part of a row may be wrong without being seen: one over the residual of twice the row."""
        with pytest.MonkeyPatch.context() as patch:
            result(lambda array: 2 * array, quantity)(patch)
            residual = compute(self.context, quantity).residual
        with np.errstate(all="ignore"):
            return np.asarray(1 / residual)

    def attempt(self, fault: Fault, quantity: str) -> Trial:
        """Plant a fault, compute a quantity with its checks, and compare it with what is right."""
        right = self.right(quantity)
        with pytest.MonkeyPatch.context() as patch:
            fault.plant(patch)
            head = error_head(self.case.network, self.case.error)  # the fault may be in the error function
            try:
                wrong = compute(replace(self.context, head=head), quantity)
            except Exception as error:  # whatever stops a block is noticed
                return Trial(np.array([np.inf]), np.array([True]), repr(error))
        changes, failed = row_changes(right.value, wrong.value), wrong.residual > 1
        if failed.shape != changes.shape:  # the gradient has one row, but as many residuals as directions
            failed, changes = failed.any(keepdims=True), changes.reshape(1)
        return Trial(changes, failed)

    def reach(self, trial: Trial, quantity: str) -> Array:
        """Changes of rows, over the smallest that their differences can tell from rounding."""
        finest = self.resolution(quantity)
        finest = finest.min(keepdims=True) if finest.shape != trial.changes.shape else finest
        with np.errstate(all="ignore"):
            return np.nan_to_num(trial.changes / finest, nan=0.0)


def row_changes(right: Array, wrong: Array) -> Array:
    """By how much of its norm each row differs; infinite where it is no number, or should be zero."""
    with np.errstate(all="ignore"):
        difference = norms(wrong - right)
        relative = difference / norms(right)
    return np.where(difference == 0, 0.0, np.where(np.isfinite(relative), relative, np.inf))
