"""A function that nothing is known of: it is asked in its own types, and answers in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jachess.errors import InputError
from jachess.network.graph import Array

IMAGINARY = 2.0**-100
"""Length of a complex step: its square vanishes beside 1, and it is a power of two, so that it rounds nothing."""
IMAGINARY_SINGLE = 2.0**-40


class Function:
    """f at and around x, both as flat vectors.

    Attributes
    ----------
    x : array (D,), float64
    value : array (K,), float64
        f(x).
    input_shape, output_shape : tuple of int
    kind : dtype
        The floating type in which f answers.
    n_calls : int
        How often f has been asked.

    Raises
    ------
    InputError
        If x, or f at x, is no array of finite real numbers.
    """

    def __init__(self, function: Callable[[Any], ArrayLike], x: ArrayLike, name: str = "f", of: str = "x") -> None:
        self.function, self.name, self.n_calls = function, name, 0
        given = np.asarray(x)
        if given.dtype.kind not in "biuf" or not given.size or not np.isfinite(given).all():
            raise InputError(
                f"{of}: wanted an array of finite real numbers (got {_kind(given)}). Choose another point."
            )
        self.dtype = given.dtype if given.dtype.kind == "f" else np.dtype(np.float64)
        self.input_shape, self.x = given.shape, given.astype(np.float64).ravel()
        answer = np.asarray(self._ask(self.x))
        if answer.dtype.kind not in "biuf" or not answer.size or not np.isfinite(answer).all():
            raise InputError(
                f"{name}: wanted an array of finite real numbers at {of} (got {_kind(answer)}). "
                "Check the function there, or choose another point."
            )
        self.output_shape, self.value = answer.shape, answer.astype(np.float64).ravel()
        self.kind = answer.dtype if answer.dtype.kind == "f" else np.dtype(np.float64)

    def along(self, direction: Array) -> Callable[[float], Array]:
        """The function t → f(x + t v) for v (D,); NaN where f has no value."""
        return lambda t: self._real(self.x + t * direction)

    def slope_along(self, direction: Array) -> Callable[[float], Array]:
        """The function t → Im f(x + t v + i h v) / h: the slope along v (D,) at t, if f is analytic as it is written.

        Raises
        ------
        InputError
            If f does not let complex numbers through.
        """
        step = IMAGINARY if self.dtype.itemsize > 4 else IMAGINARY_SINGLE

        def slope(t: float) -> Array:
            answer = np.asarray(self._ask(self.x + t * direction + 1j * step * direction))
            if answer.dtype.kind != "c":
                raise InputError(
                    f"{self.name}: a complex step needs complex numbers to go through it (got {answer.dtype}). "
                    "Leave complex_step out."
                )
            return answer.ravel().imag.astype(np.float64) / step

        return slope

    def _real(self, x: Array) -> Array:
        try:
            answer = np.asarray(self._ask(x))
        except (ArithmeticError, ValueError):  # x has left the domain of f
            return np.full_like(self.value, np.nan)
        if answer.shape != self.output_shape:
            raise InputError(
                f"{self.name}: its values change their shape (wanted {self.output_shape}; got {answer.shape}). "
                "A derivative needs one shape everywhere."
            )
        return answer.astype(np.float64).ravel()

    def _ask(self, x: Array) -> ArrayLike:
        """One call of f, with an array of its own that it may spoil; what it returns may be used again by f."""
        self.n_calls += 1
        kind = np.result_type(self.dtype, np.complex64) if x.dtype.kind == "c" else self.dtype
        with np.errstate(all="ignore"):
            return np.array(self.function(x.astype(kind).reshape(self.input_shape)))


def _kind(array: np.ndarray[Any, Any]) -> str:
    if array.dtype.kind in "biuf" and array.size:
        return "NaN or infinity"
    return f"{array.dtype} of shape {array.shape}"
