"""What the elements along an axis of a result are called, and how some of them are chosen.

::

    3   -1   0:10   1,5,7              numbers along the axis
    hidden.weight                      a weight tensor
    hidden.weight[3, :]                a part of it, as NumPy indexes it
    hidden.weight,hidden.bias          several, joined
    hidden.weight unit=3 input=0:4     of these, the weights into unit 3 from inputs 0 to 3; input=bias is its bias
    [3, 0:5]                           inputs or outputs of a network that has several axes of them
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jachess.batch.plan import Plan
from jachess.batch.quantities.record import weight_name
from jachess.errors import InputError
from jachess.network.graph import Array

Key = str | int | slice | Sequence[str] | Sequence[int] | Array | None
"""How some elements of an axis are chosen: in words, by number, slice, list or mask; None is all of them."""

_NUMBERS = re.compile(r"-?\d+|(-?\d+)?\s*:\s*(-?\d+)?")
_WORDS = re.compile(r"(?P<terms>.*?)(?P<conditions>((^|\s+)(unit|input)=\S+)*)")


@dataclass(frozen=True)
class Axis:
    """An axis of a result's array.

    Attributes
    ----------
    name : str
        The dimension, like ``point`` or ``weight_i``.
    length : int
    plan : Plan
    label : str -> array (length,)
        Reads the labels ``layer``, ``unit`` and ``input`` of an axis of weights.
    """

    name: str
    length: int
    plan: Plan
    label: Callable[[str], Array]

    @property
    def of_weights(self) -> bool:
        """Whether the elements are weights."""
        return self.name.startswith("weight")

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes that were flattened into this one."""
        inputs, outputs = self.plan.input_shape, self.plan.output_shape
        shapes = {"input": inputs, "other_input": inputs, "output": outputs}
        shape = shapes.get(self.name, ())
        return shape if math.prod(shape) == self.length else (self.length,)

    def names(self, indices: Array) -> list[str]:
        """What people call these elements: number, or tensor and indices."""
        return [weight_name(self.plan, int(i)) if self.of_weights else str(int(i)) for i in indices]

    def find(self, key: Key) -> Array:
        """The chosen elements.

        Returns
        -------
        int array (chosen,)
            Their numbers along the axis, in the order in which they are named.

        Raises
        ------
        InputError
            If there are no such elements.
        """
        everything = np.arange(self.length)
        try:
            if key is None:
                return everything
            if isinstance(key, str):
                return self._in_words(key.strip())
            if isinstance(key, list | tuple) and key and all(isinstance(each, str) for each in key):
                return np.concatenate([self._in_words(str(each).strip()) for each in key])
            chosen = everything[key if isinstance(key, slice) else np.asarray(key)]
            return np.asarray(np.atleast_1d(chosen), dtype=np.int64)
        except (IndexError, ValueError) as error:
            raise InputError(
                f"{self.name}: no such element (wanted numbers below {self.length} like 3, 0:10 or 1,5{self._known()}; "
                f"got {key!r})."
            ) from error

    def _known(self) -> str:
        if self.of_weights:
            return ", or one of " + ", ".join(name for name, _, _ in self.plan.weights)
        return f", or indices into {self.shape} like [0, 1:3]" if len(self.shape) > 1 else ""

    def _in_words(self, text: str) -> Array:
        """Terms with commas between them, then conditions with spaces before them."""
        match = _WORDS.fullmatch(text)
        if not text or match is None:
            raise ValueError(text)
        terms, found = match["terms"], []
        while terms:
            term, terms = self._first(terms)
            found.append(term)
        chosen = np.concatenate(found) if found else np.arange(self.length)
        for condition in match["conditions"].split():
            chosen = self._narrowed(chosen, condition)
        if not len(chosen):
            raise ValueError(text)
        return chosen

    def _first(self, terms: str) -> tuple[Array, str]:
        """The elements that the first term names, and the terms behind it."""
        tensors = self.plan.weights if self.of_weights else (("", self.shape, 0),)
        for name, shape, offset in sorted(tensors, key=lambda tensor: -len(tensor[0])):
            match = re.match(re.escape(name) + r"(?P<part>\[[^\]]*\])?(?:,(?=.)|$)", terms)
            if match is None or not (name or match["part"]):
                continue
            tensor = np.arange(math.prod(shape)).reshape(shape) + offset
            if match["part"]:
                tensor = np.asarray(tensor[tuple(_part(each) for each in match["part"][1:-1].split(","))])
            return tensor.ravel(), terms[match.end() :]
        term, _, rest = terms.partition(",")
        return np.atleast_1d(np.arange(self.length)[_part(term)]), rest

    def _narrowed(self, chosen: Array, condition: str) -> Array:
        """Those of the chosen weights whose unit or input is as the condition says."""
        which, _, text = condition.partition("=")
        if not self.of_weights:
            raise ValueError(condition)
        labels = self.label(which)[chosen]
        numbers = np.arange(int(labels.max(initial=-1)) + 1)
        wanted = [-1 if part == "bias" else numbers[_part(part)] for part in text.split(",")]
        return np.asarray(chosen[np.isin(labels, np.concatenate([np.atleast_1d(part) for part in wanted]))])


def _part(text: str) -> Any:
    """A number or a range in text, as NumPy takes it."""
    text = text.strip()
    if not _NUMBERS.fullmatch(text):
        raise ValueError(text)
    if ":" not in text:
        return int(text)
    start, stop = (int(part) if part.strip() else None for part in text.split(":"))
    return slice(start, stop)
