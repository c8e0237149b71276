"""The derivative that somebody claims: a dense array, or a function that gives its products with vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jachess.backprop.differences import SAFETY
from jachess.checks.function import Function
from jachess.errors import InputError
from jachess.network.graph import Array

TERMS = 1 << 18
"""Terms of J v that are formed at once."""


class Claim:
    """A claimed derivative (K, D).

    Parameters
    ----------
    derivative : array or callable
        The array, of shape (K, D), or that of the output followed by that of x; or v → J v, from the one shape to
        the other.
    name : str
        What the caller named it.
    function : Function
        Whose inputs it is with respect to.
    output_shape : tuple of int
        Of what it is the derivative of.

    Raises
    ------
    InputError
        If it has another shape, or is not real.
    """

    def __init__(
        self,
        derivative: ArrayLike | Callable[[Any], ArrayLike],
        name: str,
        function: Function,
        output_shape: tuple[int, ...],
    ) -> None:
        self.name, self.function, self.output_shape = name, function, output_shape
        shape, input_shape = (math.prod(output_shape), len(function.x)), function.input_shape
        self._multiply = derivative if callable(derivative) else None
        if callable(derivative):
            return
        given = np.asarray(derivative)
        if given.shape not in (shape, (*output_shape, *input_shape)) or given.dtype.kind not in "biuf":
            raise InputError(
                f"{name}: does not fit the function (wanted real numbers of shape {shape} or "
                f"{(*output_shape, *input_shape)}; got {given.dtype} of shape {given.shape})."
            )
        self._dense: Array = given.reshape(shape) if given.dtype.kind == "f" else given.reshape(shape).astype(float)

    def products(self, direction: Array) -> tuple[Array, Array, Array]:
        """J v, how far its rounding may take it, and the size of its terms: arrays (K,).

        Each element may be off by its type's unit roundoff times itself. The signs of v know nothing of these errors,
        so their sum stays within `SAFETY` times the root of the sum of their squares.
        """
        if self._multiply is not None:
            answer = self._answer(direction)
            product = answer.astype(np.float64)
            size = np.abs(product)
            return product, SAFETY * _unit(answer) * size, size
        product, size = np.zeros(len(self._dense)), np.zeros(len(self._dense))
        step = max(1, TERMS // len(direction))
        with np.errstate(all="ignore"):
            for start in range(0, len(self._dense), step):
                terms = self._dense[start : start + step] * direction
                product[start : start + step] = terms.sum(axis=1)
                size[start : start + step] = np.sqrt((terms**2).sum(axis=1))
        return product, SAFETY * _unit(self._dense) * size, size

    def _answer(self, direction: Array) -> Array:
        assert self._multiply is not None
        v = direction.astype(self.function.dtype).reshape(self.function.input_shape)
        answer = np.asarray(self._multiply(v))
        if answer.size != math.prod(self.output_shape) or answer.dtype.kind not in "biuf":
            raise InputError(
                f"{self.name}: its products do not fit the function (wanted real numbers of shape "
                f"{self.output_shape}; got {answer.dtype} of shape {answer.shape})."
            )
        return answer.ravel() if answer.dtype.kind == "f" else answer.ravel().astype(float)


def _unit(array: Array) -> float:
    return float(np.finfo(array.dtype).eps) / 2
