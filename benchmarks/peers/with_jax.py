"""JAX, compiled: its own Hessian and Jacobians, and products with unit vectors in batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import Case

Run = Callable[[], np.ndarray]
VERSION = f"jax {jax.__version__}"
jax.config.update("jax_enable_x64", True)


def _given(case: Case) -> tuple[list[tuple[jax.Array, jax.Array]], jax.Array, jax.Array]:
    layers = [(jnp.asarray(weight, case.dtype), jnp.asarray(bias, case.dtype)) for weight, bias in case.layers()]
    return layers, jnp.asarray(case.points(), case.dtype), jnp.asarray(case.targets(), case.dtype)


def _network(layers: list[tuple[jax.Array, jax.Array]], x: jax.Array) -> jax.Array:
    for weight, bias in layers[:-1]:
        x = jnp.tanh(x @ weight.T + bias)
    weight, bias = layers[-1]
    return x @ weight.T + bias


def _jacobian(case: Case, transform: Callable[..., Callable[..., jax.Array]]) -> Run:
    layers, points, _ = _given(case)
    compiled = jax.jit(jax.vmap(transform(partial(_network, layers))))
    return lambda: np.asarray(compiled(points).block_until_ready())


def _error(case: Case) -> tuple[Callable[..., jax.Array], jax.Array, jax.Array, jax.Array]:
    """E(w, points, targets), half the sum of squares, and what it takes."""
    layers, points, targets = _given(case)
    flat, unravel = jax.flatten_util.ravel_pytree(layers)

    def error(w: jax.Array, x: jax.Array, t: jax.Array) -> jax.Array:
        return 0.5 * jnp.sum((_network(unravel(w), x) - t) ** 2)

    return error, flat, points, targets


def _hessian(case: Case) -> Run:
    error, w, points, targets = _error(case)
    compiled = jax.jit(jax.hessian(error))
    return lambda: np.asarray(compiled(w, points, targets).block_until_ready())


def _products(case: Case, batch_size: int) -> Run:
    error, w, points, targets = _error(case)

    @jax.jit
    def compiled(w: jax.Array, x: jax.Array, t: jax.Array) -> jax.Array:
        def row(v: jax.Array) -> jax.Array:
            return jax.jvp(lambda u: jax.grad(error)(u, x, t), (w,), (v,))[1]

        return jax.lax.map(row, jnp.eye(len(w), dtype=w.dtype), batch_size=batch_size)

    return lambda: np.asarray(compiled(w, points, targets).block_until_ready())


WAYS = {
    "jacobian": {
        "vmap(jacrev)": lambda case: _jacobian(case, jax.jacrev),
        "vmap(jacfwd)": lambda case: _jacobian(case, jax.jacfwd),
    },
    "hessian": {
        "jax.hessian": _hessian,
        "lax.map, 64": lambda case: _products(case, 64),
        "lax.map, 256": lambda case: _products(case, 256),
    },
}
