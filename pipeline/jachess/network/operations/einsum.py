"""Einsum: sums of products over named axes, linear in each of its operands."""

from __future__ import annotations

import string
from collections import Counter
from dataclasses import dataclass

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.arithmetic import operands
from jachess.network.operations.axes import bounded
from jachess.network.operations.record import Arrays, Call, Maybe, Operation, Wanted


@dataclass(frozen=True)
class _Sum:
    """One letter for each axis of the operands and of the output, ellipses spelled out, and the axes' sizes."""

    terms: tuple[str, ...]
    result: str
    sizes: dict[str, int]

    @classmethod
    def of(cls, call: Call) -> _Sum:
        xs = operands(call)
        left, arrow, right = call.attributes["equation"].replace(" ", "").partition("->")
        terms = left.split(",")
        if len(terms) != len(xs):
            raise NetworkError(f"its equation '{left}' does not fit {len(xs)} inputs")
        free = [letter for letter in string.ascii_letters if letter not in left]
        spare = [x.ndim - len(term.replace("...", "")) for term, x in zip(terms, xs, strict=True) if "..." in term]
        dots = "".join(free[: max(spare, default=0)])
        whole = [
            term.replace("...", dots[len(dots) - (x.ndim - len(term) + 3) :]) for term, x in zip(terms, xs, strict=True)
        ]
        if not arrow:
            counts = Counter(left.replace(",", "").replace(".", ""))
            right = "..." + "".join(sorted(letter for letter, count in counts.items() if count == 1))
        sizes: dict[str, int] = {}
        for term, x in zip(whole, xs, strict=True):
            if len(term) != x.ndim:
                raise NetworkError(f"its equation '{left}' does not fit an input {x.shape}")
            for letter, size in zip(term, x.shape, strict=True):
                if sizes.setdefault(letter, size) not in (size, 1):
                    raise NetworkError(f"axes '{letter}' of its inputs differ ({sizes[letter]} and {size})")
                sizes[letter] = max(sizes[letter], size)
        result = right.replace("...", dots)
        bounded(sizes[letter] for letter in result)
        return cls(tuple(whole), result, sizes)

    def value(self, xs: Arrays, rows: int | None = None) -> Array:
        """The sum; operand number ``rows`` has one leading axis, and so has the result."""
        front = next(letter for letter in string.ascii_letters if letter not in self.sizes)
        terms = [(front if i == rows else "") + term for i, term in enumerate(self.terms)]
        result = (front if rows is not None else "") + self.result
        return np.asarray(np.einsum(f"{','.join(terms)}->{result}", *xs, optimize=True))

    def pulled(self, dy: Array, xs: Arrays, i: int, rows: int | None = None) -> Array:
        """Cotangents (lead, *shape) of operand i for ȳ (lead, *result); or operand ``rows`` has the leading axis."""
        front = next(letter for letter in string.ascii_letters if letter not in self.sizes)
        term = self.terms[i]
        unique = "".join(dict.fromkeys(term))
        others = [(front if j == rows else "") + t for j, t in enumerate(self.terms) if j != i]
        terms = [(front if rows is None else "") + self.result, *others]
        known = "".join(letter for letter in unique if any(letter in t for t in terms))
        arrays = [dy, *(x for j, x in enumerate(xs) if j != i)]
        found = np.einsum(f"{','.join(terms)}->{front}{known}", *arrays, optimize=True)
        # what only this operand has is summed over in y, and counts alike for each of its elements
        found = np.expand_dims(found, [1 + unique.index(letter) for letter in unique if letter not in known])
        shape = [xs[i].shape[term.index(letter)] for letter in unique]
        repeated = [1 + a for a, size in enumerate(shape) if size == 1 and found.shape[1 + a] != 1]
        found = found.sum(axis=tuple(repeated), keepdims=True) if repeated else found
        pulled = np.zeros((found.shape[0], *xs[i].shape), found.dtype)
        diagonal = np.einsum(f"{front}{term}->{front}{unique}", pulled)  # a view, where letters are repeated too
        diagonal[...] = found
        return pulled


def _lead(rows: Array, ndim: int) -> tuple[tuple[int, ...], Array]:
    """Leading axes of rows, and the rows with one leading axis."""
    lead = rows.shape[: rows.ndim - ndim]
    return lead, rows.reshape(-1, *rows.shape[rows.ndim - ndim :])


def _tangent(call: Call, dx: Maybe) -> Maybe:
    xs, terms = operands(call), []
    for i, tangent in enumerate(dx):
        if tangent is not None:
            lead, rows = _lead(tangent, xs[i].ndim)
            moved = _Sum.of(call).value((*xs[:i], rows, *xs[i + 1 :]), i)
            terms.append(moved.reshape(lead + call.y.shape))
    return (sum(terms[1:], start=terms[0]) if terms else None,)


def _cotangent(call: Call, dy: Maybe, wanted: Wanted) -> Maybe:
    xs = operands(call)
    if dy[0] is None:
        return (None,) * len(xs)
    lead, rows = _lead(dy[0], call.y.ndim)
    spelled = _Sum.of(call)
    return tuple(spelled.pulled(rows, xs, i).reshape(lead + x.shape) if wanted[i] else None for i, x in enumerate(xs))


def _curvature(call: Call, dx: Maybe, dy: Maybe, wanted: Wanted) -> Maybe:
    xs, spelled, found = operands(call), _Sum.of(call), []
    for i, x in enumerate(xs):
        terms = []
        for j, tangent in enumerate(dx):
            if wanted[i] and j != i and tangent is not None and dy[0] is not None:
                lead, rows = _lead(tangent, xs[j].ndim)
                moved = spelled.pulled(dy[0], (*xs[:j], rows, *xs[j + 1 :]), i, j)
                terms.append(moved.reshape(lead + x.shape))
        found.append(sum(terms[1:], start=terms[0]) if terms else None)
    return tuple(found)


EINSUM = Operation(
    "Einsum",
    (1, 1 << 16),
    lambda call: (_Sum.of(call).value(operands(call)),),
    _tangent,
    _cotangent,
    _curvature,
    attributes={"equation": ""},
    weights=tuple(range(26)),
    analytic=True,
)
