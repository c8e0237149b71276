"""`python -m benchmarks.other_checkers`: the same right and wrong derivatives put to jachess, PyTorch and JAX.

Each case is a function, written once for NumPy, PyTorch and JAX, and a claimed derivative: right, or with one fault.
Each checker is asked with its own default settings; the claim is what its framework is told the derivative to be. Every
case is drawn several times, with other weights and another place of the fault, and a checker's cell says how often it
was right. A peer that is not installed is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import jachess

Array = np.ndarray[Any, np.dtype[Any]]
EVALUATIONS: dict[str, list[int]] = {"float64": [], "float32": []}
"""How often jachess has asked the functions."""
PASSES, FAILS, NOTHING = "passes", "fails", "says nothing"


@dataclass(frozen=True)
class Question:
    """A function, a point, and a claim.

    ``function`` takes a namespace (numpy, torch or jax.numpy), a point and a converter of constants; ``gradient`` too,
    where second derivatives are in question: then the claim is that of the gradient.
    """

    function: Callable[[Any, Any, Any], Any]
    x: Array
    claim: Array
    gradient: Callable[[Any, Any, Any], Any] | None = None


@dataclass(frozen=True)
class Case:
    """What is asked, how it is drawn, and the right answers."""

    name: str
    draw: Callable[[int, str], Question]
    answers: tuple[str, ...]


def network(activation: str, scale: float = 1.0) -> Callable[[int, str], Question]:
    """200 inputs of this size, 30 hidden units, 3 outputs; the right Jacobian."""

    def draw(seed: int, dtype: str) -> Question:
        random = np.random.default_rng(seed)
        v, b = random.normal(size=(30, 200)) / 200**0.5 / scale, random.normal(size=30)
        u = random.normal(size=(3, 30)) / 30**0.5
        x = (scale * random.normal(size=200)).astype(dtype)
        v, b, u = (a.astype(dtype) for a in (v, b, u))

        def function(xp: Any, x: Any, constant: Any) -> Any:
            a = constant(v) @ x + constant(b)
            return constant(u) @ (xp.tanh(a) if activation == "tanh" else xp.where(a > 0, a, 0 * a))

        wide_v, wide_u = v.astype(np.float64), u.astype(np.float64)
        a = wide_v @ x + b
        slope = 1 - np.tanh(a) ** 2 if activation == "tanh" else (a > 0) * 1.0
        return Question(function, x, wide_u @ (slope[:, None] * wide_v))

    return draw


def at_kink(seed: int, dtype: str) -> Question:
    """The sum of 200 rectified inputs, one of them 0; the claim has slope 0 there, as frameworks have it."""
    x = np.random.default_rng(seed).normal(size=200).astype(dtype)
    x[seed % 200] = 0
    return Question(lambda xp, x, constant: xp.where(x > 0, x, 0 * x).sum()[None], x, (x[None] > 0).astype(np.float64))


def saturated(seed: int, dtype: str) -> Question:
    """Three sigmoid outputs near 1, whose slopes are 1e-6 to 1e-2."""
    random = np.random.default_rng(seed)
    w, x = (random.normal(size=shape).astype(dtype) for shape in ((3, 200), 200))
    shift = (random.uniform(5, 12, 3) - w.astype(np.float64) @ x).astype(dtype)

    def function(xp: Any, x: Any, constant: Any) -> Any:
        return 1 / (1 + xp.exp(-(constant(w) @ x + constant(shift))))

    a = w.astype(np.float64) @ x + shift
    return Question(function, x, (1 / (1 + np.exp(-a)) / (1 + np.exp(a)))[:, None] * w)


def error(seed: int, dtype: str) -> Question:
    """Σ log cosh(A w) of 14 weights, its gradient, and the right Hessian of 196 elements."""
    random = np.random.default_rng(seed)
    matrix, w = (random.normal(size=shape).astype(dtype) for shape in ((20, 14), 14))
    matrix = matrix / np.sqrt(14).astype(dtype)

    def function(xp: Any, w: Any, constant: Any) -> Any:
        return xp.log(xp.cosh(constant(matrix) @ w)).sum()

    def gradient(xp: Any, w: Any, constant: Any) -> Any:
        return constant(matrix.T.copy()) @ xp.tanh(constant(matrix) @ w)

    wide = matrix.astype(np.float64)
    return Question(function, w, wide.T @ ((1 - np.tanh(wide @ w) ** 2)[:, None] * wide), gradient)


def with_fault(draw: Callable[[int, str], Question], fault: str) -> Callable[[int, str], Question]:
    """The same with a fault in one element of the larger half, or everywhere."""

    def wrong(seed: int, dtype: str) -> Question:
        question = draw(seed, dtype)
        claim = question.claim.copy()
        larger = np.argwhere(np.abs(claim) >= np.median(np.abs(claim)))
        place = tuple(larger[np.random.default_rng(seed).integers(len(larger))])
        if fault == "factor":
            claim *= 2
        else:
            claim[place] *= {"hundredth": 1.01, "sign": -1}[fault]
        return Question(question.function, question.x, claim, question.gradient)

    return wrong


TANH, RELU, ERROR = network("tanh"), network("relu"), error
RIGHT, WRONG = (PASSES,), (FAILS,)
CASES = [
    Case("tanh network, 200 inputs: right", TANH, RIGHT),
    Case("… 1 % off in one element of 600", with_fault(TANH, "hundredth"), WRONG),
    Case("… sign of one element", with_fault(TANH, "sign"), WRONG),
    Case("… factor 2 everywhere", with_fault(TANH, "factor"), WRONG),
    Case("inputs of size 1e-6: right", network("tanh", 1e-6), RIGHT),
    Case("… 1 % off in one element", with_fault(network("tanh", 1e-6), "hundredth"), WRONG),
    Case("inputs of size 1e6: right", network("tanh", 1e6), RIGHT),
    Case("… 1 % off in one element", with_fault(network("tanh", 1e6), "hundredth"), WRONG),
    Case("… factor 2 everywhere", with_fault(network("tanh", 1e6), "factor"), WRONG),
    Case("ReLU network, 200 inputs: right", RELU, RIGHT),
    Case("… 1 % off in one element", with_fault(RELU, "hundredth"), WRONG),
    Case("rectified inputs, one of 200 at the kink", at_kink, (NOTHING,)),
    Case("saturated sigmoids: right", saturated, RIGHT),
    Case("… sign of one element", with_fault(saturated, "sign"), WRONG),
    Case("… factor 2 everywhere", with_fault(saturated, "factor"), WRONG),
    Case("Hessian, 14 weights: right", ERROR, RIGHT),
    Case("… 1 % off in one element of 196", with_fault(ERROR, "hundredth"), WRONG),
    Case("… sign of one element", with_fault(ERROR, "sign"), WRONG),
    Case("… factor 2 everywhere", with_fault(ERROR, "factor"), WRONG),
]


def ask_jachess(question: Question) -> str:
    """With all defaults; second derivatives against the gradient, as the others do it."""
    claim = question.claim.astype(question.x.dtype)

    def given(thing: Callable[[Any, Any, Any], Any]) -> Callable[[Array], Array]:
        return lambda x: thing(np, x, np.asarray)

    if question.gradient is None:
        verdict = jachess.check_jacobian(given(question.function), question.x, claim)
    else:
        verdict = jachess.check_hessian(given(question.function), question.x, claim, gradient=given(question.gradient))
    EVALUATIONS[question.x.dtype.name].append(
        int(sum(finding.numbers["evaluations"] for finding in verdict.findings.values()))
    )
    return PASSES if verdict.passed else FAILS if verdict.failed else NOTHING


def ask_torch(question: Question) -> str:
    """gradcheck, or gradgradcheck of a function whose gradient is right and has the claimed derivative."""
    import torch
    from torch.autograd import Function, gradcheck, gradgradcheck

    def values(thing: Callable[[Any, Any, Any], Any], x: Any) -> Any:
        return thing(torch, x, torch.from_numpy)

    claim = torch.from_numpy(question.claim.astype(question.x.dtype))

    class Claimed(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return values(question.gradient or question.function, x)

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            return cotangent @ claim

    class Twice(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return values(question.function, x)

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            return cotangent * Claimed.apply(ctx.saved_tensors[0])

    x = torch.from_numpy(question.x.copy()).requires_grad_()
    if question.gradient is None:
        passed = gradcheck(Claimed.apply, (x,), raise_exception=False)
    else:
        passed = gradgradcheck(Twice.apply, (x,), raise_exception=False)
    return PASSES if passed else FAILS


def ask_jax(question: Question) -> str:
    """check_grads, of order 2 for a function whose gradient is right and has the claimed derivative."""
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    claim = jnp.asarray(question.claim.astype(question.x.dtype))

    @jax.custom_jvp
    def claimed(x: Any) -> Any:
        return (question.gradient or question.function)(jnp, x, jnp.asarray)

    claimed.defjvp(lambda primals, tangents: (claimed(*primals), claim @ tangents[0]))

    @jax.custom_jvp
    def twice(x: Any) -> Any:
        return question.function(jnp, x, jnp.asarray)

    twice.defjvp(lambda primals, tangents: (twice(*primals), claimed(*primals) @ tangents[0]))
    try:
        if question.gradient is None:
            check_grads(claimed, (jnp.asarray(question.x),), order=1)
        else:
            check_grads(twice, (jnp.asarray(question.x),), order=2)
    except AssertionError:
        return FAILS
    return PASSES


CHECKERS = {
    "jachess": ("jachess", ask_jachess),
    "torch gradcheck": ("torch", ask_torch),
    "jax check_grads": ("jax", ask_jax),
}


def lines(n_draws: int, checkers: dict[str, Callable[[Question], str]]) -> Iterator[str]:
    """The table, line by line."""
    yield f"| claim | type | {' | '.join(checkers)} |"
    yield "|---" * (2 + len(checkers)) + "|"
    for case in CASES:
        for dtype in ("float64", "float32"):
            questions = [case.draw(seed, dtype) for seed in range(n_draws)]
            cells = [_cell(Counter(map(ask, questions)), case.answers) for ask in checkers.values()]
            yield f"| {case.name} | {dtype} | {' | '.join(cells)} |"


def _cell(answers: Counter[str], right: tuple[str, ...]) -> str:
    """How many answers were right, and what the others were."""
    total = answers.total()
    n_right = sum(answers[answer] for answer in right)
    others = ", ".join(f"{n} {answer}" for answer, n in answers.items() if answer not in right)
    return f"{n_right} of {total}" + (f" ({others})" if others else "")


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser("python -m benchmarks.other_checkers", description=__doc__)
    parser.add_argument("--draws", type=int, default=20, help="how often each case is drawn (default 20)")
    parser.add_argument("--out", type=Path, help="where to write the table")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*double precision.*")  # PyTorch's advice on float32
    found = {name: ask for name, (package, ask) in CHECKERS.items() if importlib.util.find_spec(package)}
    table = []
    for line in lines(arguments.draws, found):
        print(line, flush=True)
        table.append(line)
    versions = [f"{p} {importlib.import_module(p).__version__}" for name, (p, _) in CHECKERS.items() if name in found]
    print(f"\nright answers; {', '.join([*versions, f'numpy {np.__version__}'])}")
    for dtype, counts in EVALUATIONS.items():
        print(f"{dtype}: jachess asks a function {np.median(counts):,.0f} times (median), {max(counts):,} at most")
    if arguments.out:
        arguments.out.write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
