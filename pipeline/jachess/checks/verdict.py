"""The verdict: what the checks of derivatives found, in a sentence, in numbers, and in the worst cases.

The same object for what a store holds, row by row, and for a derivative that somebody claims for a function.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from jachess.checks.table import table

UNVERIFIED_SHARE = 0.01
"""Share of the rows of a quantity that may be without a verdict."""
DIFFERENCES = "central differences"
KINK = "a kink lies within the step"
_SPARED = ("elements", "reasons", "numbers", "ladder", "around")
"""Fields that are left out where there is nothing in them."""
LARGEST = 1e308
"""What JSON, which has no infinity, is given for one."""


@dataclass(frozen=True)
class Element:
    """An element of a derivative that is wrong.

    Attributes
    ----------
    index : tuple of int
        Its place.
    analytical, numerical : float
        The claim, and the central difference.
    difference, tolerance : float
        How far the one is from the other, and how far it may be.
    """

    index: tuple[int, ...]
    analytical: float
    numerical: float
    difference: float
    tolerance: float

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Element:
        """The element that `Finding.as_dict` described."""
        return cls(tuple(given["index"]), *(_number(given[f.name]) for f in fields(cls)[1:]))


@dataclass(frozen=True)
class Neighbour:
    """An element at or beside one that is wrong: what is stored, and what it should be.

    That is what it is when it is computed again, or what is stored of it elsewhere.
    """

    name: str
    stored: float
    again: float


@dataclass(frozen=True)
class Around:
    """A row near its worst element: where that is, in words, and the elements."""

    where: str
    near: tuple[Neighbour, ...]

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Around:
        """What `Finding.as_dict` described."""
        near = (Neighbour(n["name"], _number(n["stored"]), _number(n["again"])) for n in given["near"])
        return cls(given["where"], tuple(near))


@dataclass(frozen=True)
class Finding:
    """What the checks found in one quantity.

    Attributes
    ----------
    rows : int
        Rows that were checked.
    failed : int
        Rows whose discrepancy is above its tolerance.
    unverified : int
        Rows without a verdict.
    largest : float
        The largest residual: discrepancy over tolerance.
    worst : tuple of (row, residual)
        Names of failed rows, the worst first.
    elements : tuple of Element
        Wrong elements, the worst first, where single elements were looked at.
    reasons : mapping of str to int
        Why rows are without a verdict, and how many; kinks, if it is empty.
    numbers : mapping of str to float
        Further measurements.
    opponent : str
        What the rows were compared with.
    unit : str
        What rows are called.
    ladder : tuple of (step, discrepancy)
        Of the row with the largest residual, where the steps were varied.
    around : Around or None
        The worst row near its worst element, where it was computed again.
    """

    rows: int
    failed: int
    unverified: int
    largest: float
    worst: tuple[tuple[str, float], ...]
    elements: tuple[Element, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    opponent: str = DIFFERENCES
    unit: str = "rows"
    ladder: tuple[tuple[float, float], ...] = ()
    around: Around | None = None

    def closer(self) -> list[str]:
        """Lines of a table: the worst row near its worst element."""
        if self.around is None:
            return []
        rows = [
            [neighbour.name, *(f"{v:.10g}" for v in (neighbour.stored, neighbour.again)),
             f"{neighbour.stored - neighbour.again:.2g}"]
            for neighbour in self.around.near
        ]  # fmt: skip
        return table([[self.around.where, "stored", "again", "difference"], *rows])

    @property
    def passed(self) -> bool:
        """Whether no row failed and nearly all have a verdict."""
        return not self.failed and self.unverified <= UNVERIFIED_SHARE * self.rows

    def summary(self) -> str:
        """Rows, what they were compared with, rows without a verdict, and the largest residual."""
        rest = f", {self.unverified:,} without a verdict" if self.unverified else ""
        compared = f"{self.rows:,} {self.unit} against {self.opponent}{rest}"
        return f"{compared}; largest discrepancy {self.largest:.2g} of its tolerance"

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON can hold it; what was not looked for is left out."""
        given = asdict(self) | {"passed": self.passed}
        return {k: _finite(v) for k, v in given.items() if v or k not in _SPARED}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Finding:
        """The finding that `as_dict` described."""
        values = {f.name: given[f.name] for f in fields(cls) if f.name in given}
        values["largest"] = _number(given["largest"])
        values["worst"] = tuple((row, _number(residual)) for row, residual in given["worst"])
        values["ladder"] = tuple((_number(step), _number(found)) for step, found in given.get("ladder", ()))
        values["numbers"] = {name: _number(number) for name, number in given.get("numbers", {}).items()}
        values["around"] = Around.from_dict(given["around"]) if "around" in given else None
        values["elements"] = tuple(Element.from_dict(element) for element in given.get("elements", ()))
        return cls(**values)


@dataclass(frozen=True)
class Verdict:
    """Whether derivatives are right, for each quantity.

    A verdict is true if it passed: ``assert verdict`` refuses a wrong derivative and one that could not be verified.

    Attributes
    ----------
    findings : mapping of str to Finding
        What was found in each quantity.
    """

    findings: Mapping[str, Finding]

    @property
    def passed(self) -> bool:
        """Whether every quantity passed."""
        return all(finding.passed for finding in self.findings.values())

    def __bool__(self) -> bool:
        return self.passed

    @property
    def failed(self) -> bool:
        """Whether a derivative is wrong; what did not pass and did not fail is not verified."""
        return any(finding.failed for finding in self.findings.values())

    def sentence(self) -> str:
        """The verdict in words."""
        if self.failed:
            return "FAILED: " + "; ".join(_failure(name, f) for name, f in self.findings.items() if f.failed)
        if not self.passed:
            return "NOT VERIFIED: " + "; ".join(_doubt(name, f) for name, f in self.findings.items() if not f.passed)
        unverified = "; ".join(_doubt(name, finding) for name, finding in self.findings.items() if finding.unverified)
        if unverified:
            return f"verified: every row that has a verdict agrees with central differences; {unverified}"
        return "verified: every row agrees with central differences"

    def __str__(self) -> str:
        lines = [self.sentence()]
        for name, finding in self.findings.items():
            numbers = "".join(f"; {key.replace('_', ' ')} {value:.3g}" for key, value in finding.numbers.items())
            lines.append(f"  {name}: {finding.summary()}{numbers}")
            if finding.elements:
                rows = [
                    [f"{name}{list(e.index) if e.index else ''}", *(f"{v:.6g}" for v in (e.analytical, e.numerical)),
                     *(f"{v:.2g}" for v in (e.difference, e.tolerance))]
                    for e in finding.elements
                ]  # fmt: skip
                heads = ["element", "analytical", "numerical", "difference", "tolerance"]
                lines += [f"  {line}" for line in table([heads, *rows])]
            elif finding.worst:
                rows = [[row, f"{residual:.3g}"] for row, residual in finding.worst]
                lines += [f"  {line}" for line in table([["row", "discrepancy over tolerance"], *rows])]
            lines += [f"  {line}" for line in finding.closer()]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON can hold it."""
        quantities = {name: finding.as_dict() for name, finding in self.findings.items()}
        return {"passed": self.passed, "sentence": self.sentence(), "quantities": quantities}

    def as_json(self) -> str:
        """The verdict as one JSON object."""
        return json.dumps(self.as_dict(), allow_nan=False)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Verdict:
        """The verdict that `as_dict` described, as the attributes of a store hold it."""
        return cls({name: Finding.from_dict(finding) for name, finding in given["quantities"].items()})


def _failure(name: str, finding: Finding) -> str:
    rows = ", ".join(f"{row} ({residual:.3g} times its tolerance)" for row, residual in finding.worst)
    return f"{finding.failed:,} of {finding.rows:,} {finding.unit} of {name} disagree with {finding.opponent}: {rows}"


def _doubt(name: str, finding: Finding) -> str:
    reasons = finding.reasons or {KINK: finding.unverified}
    why = ", ".join(reason if len(reasons) == 1 else f"{reason} ({n:,})" for reason, n in reasons.items())
    return f"{finding.unverified:,} of {finding.rows:,} {finding.unit} of {name} have no verdict, because {why}"


def _number(given: float | None) -> float:
    """The number that `_finite` made JSON of."""
    if given is None:
        return math.nan
    return given if abs(given) < LARGEST else math.copysign(math.inf, given)


def _finite(value: Any) -> Any:
    """The value without infinities and NaN, which JSON does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else math.copysign(LARGEST, value)
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value
