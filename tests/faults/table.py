"""All faults of the core: adding one is adding a record to one of these tables."""

from __future__ import annotations

from tests.faults.data import DATA
from tests.faults.fault import Fault
from tests.faults.kernels import KERNELS
from tests.faults.passes import PASSES
from tests.faults.positions import POSITIONS
from tests.faults.rules import RULES

FAULTS: tuple[Fault, ...] = (*RULES, *PASSES, *KERNELS, *POSITIONS, *DATA)
