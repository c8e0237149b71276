"""Checks of the derivatives of any function, for everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from jachess.checks.claim import Claim
from jachess.checks.finding import finding_of
from jachess.checks.function import Function
from jachess.checks.probes import Curvatures, Slopes
from jachess.checks.verdict import Verdict
from jachess.errors import InputError


def check_jacobian(
    f: Callable[[Any], ArrayLike],
    x: ArrayLike,
    J: ArrayLike | Callable[[Any], ArrayLike],
    *,
    scale: ArrayLike | None = None,
    directions: int = 2,
    complex_step: bool = False,
    seed: int = 0,
) -> Verdict:
    """Check a claimed Jacobian ∂f_k/∂x_i of any function against central differences (8.35).

    Every row is checked along random directions, on a ladder of steps, with tolerances that follow from the function's
    own behaviour and its measured noise, so that float32 functions need no other settings than float64 ones. Where
    the differences are no witness, as at a kink, there is no verdict.

    Parameters
    ----------
    f : callable
        From an array of x's shape and type to an array of any shape, K numbers in all.
    x : array of any shape
        Where the Jacobian is claimed, D numbers in all. f is asked in x's type: float32 if x is float32.
    J : array or callable
        The claim: an array (K, D), or of f's shape followed by x's; or a function v → J v that takes an array of x's
        shape to one of f's. Give it in the type in which it was computed: float32 is allowed float32's rounding.
    scale : array, optional
        Size of a change of x that matters, one number or as many as x has; by default x's own elements tell.
    directions : int
        Along how many directions every row is checked.
    complex_step : bool
        Ask f for complex arguments too: for an f that is analytic as written (no abs, no maximum, no .real) the
        difference is then exact up to rounding, and rows that vanish beside f's values have a verdict as well.
    seed : int
        The same seed gives the same check.

    Returns
    -------
    Verdict
        True if the Jacobian is right; `print` shows the sentence and the worst elements, `as_dict` all numbers.

    Raises
    ------
    InputError
        If x or f(x) is not finite and real, or J does not fit them.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.arange(6.0).reshape(2, 3)
    >>> x = np.array([0.5, 1.0, 2.0])
    >>> bool(check_jacobian(lambda x: A @ x**2, x, 2 * A * x))
    True
    >>> bool(check_jacobian(lambda x: A @ x**2, x, A * x))
    False
    """
    function = Function(f, x)
    probe = Slopes(function, Claim(J, "J", function, function.output_shape), complex_step)
    return Verdict({"jacobian": finding_of(probe, scale, directions, seed)})


def check_hessian(
    f: Callable[[Any], ArrayLike],
    w: ArrayLike,
    H: ArrayLike | Callable[[Any], ArrayLike],
    *,
    gradient: Callable[[Any], ArrayLike] | None = None,
    scale: ArrayLike | None = None,
    directions: int = 2,
    complex_step: bool = False,
    seed: int = 0,
) -> Verdict:
    """Check a claimed Hessian ∂²f/∂w_i∂w_j of any scalar function.

    With the gradient, every row of H is checked against differences of it, and the gradient against those of f.
    Without, uᵀHv for random u and v against second differences of f: every element takes part, but the differences are
    less precise, by half of the digits.

    Parameters
    ----------
    f : callable
        From an array of w's shape and type to one number.
    w : array of any shape
        Where the Hessian is claimed, W numbers in all.
    H : array or callable
        The claim: an array (W, W), or of w's shape twice; or a function v → H v on arrays of w's shape.
    gradient : callable, optional
        From w to ∂f/∂w, of w's shape.
    scale, directions, complex_step, seed
        As for `check_jacobian`.

    Returns
    -------
    Verdict
        With a finding for ``hessian``, and one for ``gradient`` if it was given.

    Raises
    ------
    InputError
        If w, f(w) or its gradient is not finite and real, f is not scalar, or H does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([0.5, 1.0, 2.0])
    >>> bool(check_hessian(lambda w: (w**3).sum(), w, np.diag(6 * w), gradient=lambda w: 3 * w**2))
    True
    """
    function = Function(f, w, of="w")
    if len(function.value) != 1:
        raise InputError(f"f: a Hessian is that of one number (wanted one; got shape {function.output_shape}).")
    claim = Claim(H, "H", function, function.input_shape)
    if gradient is None:
        return Verdict({"hessian": finding_of(Curvatures(function, claim, complex_step), scale, directions, seed)})
    slope = Function(gradient, w, "gradient", "w")
    if len(slope.value) != len(function.x):
        raise InputError(f"gradient: does not fit w (wanted shape {function.input_shape}; got {slope.output_shape}).")
    of_f = Claim(slope.value.astype(slope.kind)[None], "gradient", function, function.output_shape)
    return Verdict(
        {
            "gradient": finding_of(Slopes(function, of_f, complex_step), scale, directions, seed),
            "hessian": finding_of(Slopes(slope, claim, complex_step), scale, directions, seed),
        }
    )
