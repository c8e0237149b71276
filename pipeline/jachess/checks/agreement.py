"""Independent ways to the same derivatives, compared on a sample of the points.

* the Jacobian by reverse, forward and mixed accumulation, which are the same sums in another order;
* single elements of the gradient by backpropagation, and by tangents that go forward;
* Hessian rows by the strip formula, by its transpose (H is symmetric), and by the R-operator;
* the complex step Im f(x + iεv)/ε, which has no cancellation, where every operation is analytic: J v from the outputs,
  H v from the gradient;
* the order of central differences: D(ε) − J v falls as ε² (8.35), until rounding takes over, if J is right; if it is
  wrong the difference stays. This tells one from the other without any tolerance.

**Tolerance.** To first order, rounding does to a derivative what it does when every result on the way, tangents and
cotangents too, is changed by ±u of itself. How much that is shows when they are changed by ±√u, at random: 1/√u times
more. So it shows also what is lost where a recursion cancels, as behind a normalisation. It may be little by chance, so
the largest of `CHANGES` counts, and no row is taken for quieter than is usual for its size. Of this, and of the last
digits of the row itself, `SAFETY` times as much is allowed; for slopes also of the last digits of the largest tangent
on the way, which may cancel behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jachess.backprop.differences import (
    OFFSETS,
    SAFETY,
    UNIT_ROUNDOFF,
    Difference,
    disturbance,
    random_direction,
    sizes,
)
from jachess.backprop.gradient import gradient_at, slopes_by_tangents
from jachess.backprop.gradient_difference import weight_sizes
from jachess.backprop.hessian import hessian_block
from jachess.backprop.jacobian import jacobian_rows
from jachess.backprop.kinks import same_sides
from jachess.backprop.output_difference import shifted
from jachess.backprop.parallel import on_all_cores
from jachess.backprop.propagation import Points, forward, n_values, outputs, pull_cotangents, push_tangents
from jachess.backprop.r_operator import hessian_vector_products, rows_at_once
from jachess.backprop.weight_jacobian import identity_rows
from jachess.checks.comparison import (
    CHANGES,
    IMAGINARY,
    LADDER,
    Comparison,
    by_complex_step,
    noise,
    order_of_differences,
    worst,
)
from jachess.checks.verdict import Finding
from jachess.network.evaluation import Disturb
from jachess.network.graph import Array, Network
from jachess.network.head import Head
from jachess.network.operations import TABLE

JACOBIAN_POINTS, HESSIAN_POINTS = 16, 256
SAMPLE_POINTS = max(JACOBIAN_POINTS, HESSIAN_POINTS)
"""Points of the samples, at most; …"""
FEWEST, VALUES = 16, 1 << 16
"""… of a Hessian's, but for the fewest, no more than have so many values on the way: a row may need many passes."""
GRADIENT_POINTS, ELEMENTS = 16, 256
"""Points and weights by which the gradient is compared."""
ROWS = 8
"""Rows of the Hessian that are compared."""


@on_all_cores
def agreement(
    network: Network, head: Head | None, points: Points, targets: Array, *, jacobian: bool, hessian: bool, seed: int = 0
) -> Finding:
    """Compare what a job needs of a network in several ways.

    Parameters
    ----------
    network : Network
    head : Head or None
        Needed for the Hessian.
    points, targets : arrays
        A sample of the points; the first few are used.
    jacobian, hessian : bool
        Which derivatives to compare.

    Returns
    -------
    Finding
        One row a comparison; its numbers hold the orders of the differences.
    """
    random, found, numbers = np.random.default_rng(seed), list[Comparison](), dict[str, float]()
    if jacobian:
        few = tuple(array[:JACOBIAN_POINTS] for array in points)
        found += _of_jacobian(network, few, random, numbers)
    if hessian and head is not None:
        count = min(HESSIAN_POINTS, max(FEWEST, VALUES // n_values(network)))
        sample = (tuple(array[:count] for array in points), head.targets(targets[:count]))
        found.append(_of_gradient(head, *sample, random))
        found += _of_hessian(head, *sample, random, numbers)
    failed = sorted((c for c in found if not c.residual <= 1), key=lambda c: -c.residual)
    return Finding(
        rows=len(found),
        failed=len(failed),
        unverified=0,
        largest=max((c.residual for c in found), default=0.0),
        worst=tuple((c.name, c.residual) for c in failed),
        numbers=numbers,
        opponent="each other",
        unit="pairs of independent ways",
    )


def analytic(network: Network) -> bool:
    """Whether every operation on the way takes complex numbers."""
    return all(TABLE[node.operation].analytic or TABLE[node.operation].moves for node in network.nodes)


def _of_jacobian(
    network: Network, points: Points, random: np.random.Generator, numbers: dict[str, float]
) -> Iterator[Comparison]:
    which = network.input_place
    ways = {method: jacobian_rows(network, points, method=method) for method in ("reverse", "forward", "mixed")}
    reverse = ways["reverse"]
    rounding = noise(reverse, [_disturbed(network, points, random) for _ in range(CHANGES)])
    for method in ("forward", "mixed"):
        yield Comparison(f"jacobian: reverse = {method} accumulation", worst(ways[method] - reverse, rounding))
    direction = random_direction(sizes(points[which].reshape(len(reverse), -1)), random)
    slope = np.einsum("nki,ni->nk", reverse, direction)
    allowed = np.sqrt(direction.shape[1]) * (rounding * np.abs(direction)[:, None]).max(axis=2)
    allowed = allowed + SAFETY * UNIT_ROUNDOFF * _largest_tangents(network, points, which, direction)[:, None]
    if analytic(network):
        beside = _complex(shifted(points, which, direction, 1j * IMAGINARY))

        def imaginary(disturb: Disturb | None) -> Array:
            return forward(network.astype(complex), beside, disturb=disturb).outputs(network).imag

        yield by_complex_step("jacobian: accumulation = complex step", imaginary, slope, allowed, random)
    smooth = same_sides(network, [forward(network, shifted(points, which, direction, k * LADDER[-1])) for k in OFFSETS])

    disturbed = forward(network, points, disturb=disturbance(random)).outputs(network)[smooth]

    def difference(step: float) -> Difference:
        beside = [outputs(network, shifted(points, which, direction, k * step))[smooth] for k in OFFSETS]
        return Difference.of(beside, step, disturbed)

    yield from order_of_differences("jacobian", difference, slope[smooth], allowed[smooth], numbers)


def _of_gradient(head: Head, points: Points, targets: Array, random: np.random.Generator) -> Comparison:
    """Single elements, each with a tolerance of its own: differences of E do not see the small ones among them."""
    few, n = tuple(array[:GRADIENT_POINTS] for array in points), head.network.n_weights
    which = np.sort(random.choice(n, size=min(ELEMENTS, n), replace=False))
    vectors = np.zeros((len(which), n))
    vectors[np.arange(len(which)), which] = 1

    def back(disturb: Disturb | None) -> Array:
        state = forward(head.network, few, disturb=disturb)
        return gradient_at(head, state, targets[:GRADIENT_POINTS])[which, None]

    state, ahead = forward(head.network, few), np.zeros(len(which))
    group = rows_at_once(state)
    for start in range(0, len(which), group):
        part = slice(start, start + group)
        ahead[part] = slopes_by_tangents(head, state, targets[:GRADIENT_POINTS], vectors[part])
    found = back(None)
    rounding = noise(found, [back(disturbance(random)) for _ in range(CHANGES)])
    return Comparison("gradient: back = forward propagation", worst(ahead[:, None] - found, rounding))


def _of_hessian(
    head: Head, points: Points, targets: Array, random: np.random.Generator, numbers: dict[str, float]
) -> Iterator[Comparison]:
    network, n = head.network, head.network.n_weights
    chunks = [(points, targets)].copy
    rows = np.sort(random.choice(n, size=min(ROWS, n), replace=False))
    whole = slice(0, n)
    strip = _rows(head, points, targets, rows, whole)
    vectors = np.zeros((len(rows), n))
    vectors[np.arange(len(rows)), rows] = 1
    changes = [hessian_vector_products(head, chunks, vectors, disturbance(random)) for _ in range(CHANGES)]
    rounding = noise(strip, changes)
    across = np.concatenate([hessian_block(head, chunks, whole, slice(i, i + 1)) for i in rows], axis=1).T
    yield Comparison("hessian: strip = its transpose", worst(across - strip, rounding))
    by_operator = hessian_vector_products(head, chunks, vectors)
    yield Comparison("hessian: strip = R-operator", worst(by_operator - strip, rounding))
    direction = random_direction(weight_sizes(head.network), random)
    slope = strip @ direction
    allowed = np.sqrt(n) * (rounding * np.abs(direction)).max(axis=1)
    product = hessian_vector_products(head, chunks, direction[None])
    allowed = allowed + SAFETY * UNIT_ROUNDOFF * np.abs(product).max()
    if analytic(network):
        beside = network.w + 1j * IMAGINARY * direction

        def back(disturb: Disturb | None) -> Array:
            state = forward(network.astype(complex), _complex(points), beside, disturb)
            return gradient_at(head, state, targets)[rows].imag

        def ahead(disturb: Disturb | None) -> Array:
            state = forward(network.astype(complex), _complex(points), beside, disturb)
            return slopes_by_tangents(head, state, targets, vectors).imag

        yield by_complex_step("hessian: strip = complex step", back, slope, allowed, random)
        yield by_complex_step("hessian: strip = complex step without backpropagation", ahead, slope, allowed, random)
    smooth = same_sides(network, [forward(network, points, network.w + k * LADDER[-1] * direction) for k in OFFSETS])
    if smooth.any():
        some, wanted = tuple(array[smooth] for array in points), targets[smooth]
        if not smooth.all():
            slope = _rows(head, some, wanted, rows, whole) @ direction

        disturbed = gradient_at(head, forward(network, some, disturb=disturbance(random)), wanted)[rows]

        def difference(step: float) -> Difference:
            beside = [forward(network, some, network.w + k * step * direction) for k in OFFSETS]
            return Difference.of([gradient_at(head, state, wanted)[rows] for state in beside], step, disturbed)

        yield from order_of_differences("hessian", difference, slope, allowed, numbers)


def _largest_tangents(network: Network, points: Points, which: int, direction: Array) -> Array:
    """The largest tangent (n,) on the way to the outputs: behind it, digits of its own are lost where it cancels."""
    seed = direction.reshape(1, *points[which].shape)
    tangents = push_tangents(network, forward(network, points), {network.input: seed}).values()
    by_point = (
        np.abs(t).reshape(len(direction), -1)
        for t in tangents
        if isinstance(t, np.ndarray) and t.shape[1:2] == direction.shape[:1]
    )
    return np.asarray(np.max([rows.max(axis=1) for rows in by_point], axis=0))


def _rows(head: Head, points: Points, targets: Array, rows: Array, columns: slice) -> Array:
    chunks = [(points, targets)].copy
    return np.concatenate([hessian_block(head, chunks, slice(i, i + 1), columns) for i in rows])


def _disturbed(network: Network, points: Points, random: np.random.Generator) -> Array:
    """∂y/∂x (n, K, D) by propagations in which every result is changed by ±√u: also where the recursion cancels."""
    state = forward(network, points, disturb=disturbance(random))
    pulled = pull_cotangents(network, state, identity_rows(network, state), [network.input])
    if network.input not in pulled:
        return np.zeros((state.n_points, network.n_outputs, network.n_inputs))
    return pulled[network.input].reshape(network.n_outputs, state.n_points, network.n_inputs).swapaxes(0, 1)


def _complex(points: Points) -> Points:
    return tuple(array.astype(complex) if array.dtype.kind in "fc" else array for array in points)
