"""JAX, compiled: its own Hessian and Jacobians, and products with unit vectors in batches."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import EPSILON, HEADS, Case

Run = Callable[[], np.ndarray]
VERSION = f"jax {jax.__version__}"
jax.config.update("jax_enable_x64", True)


def _given(case: Case) -> tuple[list[jax.Array], jax.Array, jax.Array]:
    tensors = [jnp.asarray(tensor, case.dtype) for tensor in case.tensors()]
    return tensors, jnp.asarray(case.points(), case.dtype), jnp.asarray(case.targets(), case.dtype)


def _chain(w: list[jax.Array], x: jax.Array) -> jax.Array:
    for weight, bias in zip(w[:-2:2], w[1:-2:2], strict=True):
        x = jnp.tanh(x @ weight.T + bias)
    return x @ w[-2].T + w[-1]


def _convolution(w: list[jax.Array], x: jax.Array) -> jax.Array:
    for kernel, bias in (w[:2], w[2:4]):
        x = jnp.tanh(jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME") + bias[:, None, None])
        n, channels, edge, _ = x.shape
        x = x.reshape(n, channels, edge // 2, 2, edge // 2, 2).mean((3, 5))
    return x.reshape(len(x), -1) @ w[4].T + w[5]


def _standardised(x: jax.Array, gain: jax.Array, shift: jax.Array) -> jax.Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON) * gain + shift


def _transformer(w: list[jax.Array], x: jax.Array) -> jax.Array:
    x = x @ w[0].T + w[1]
    n, tokens, d = x.shape
    z = _standardised(x, w[2], w[3])
    q, k, v = (
        (z @ weight.T + bias).reshape(n, tokens, HEADS, d // HEADS).swapaxes(1, 2)
        for weight, bias in (w[4:6], w[6:8], w[8:10])
    )
    seen = jax.nn.softmax(q @ k.swapaxes(2, 3) / (d // HEADS) ** 0.5) @ v
    x = x + seen.swapaxes(1, 2).reshape(n, tokens, d) @ w[10].T + w[11]
    z = _standardised(x, w[12], w[13])
    x = x + jnp.tanh(z @ w[14].T + w[15]) @ w[16].T + w[17]
    return x.mean(1) @ w[18].T + w[19]


NETWORKS = {"chain": _chain, "convolution": _convolution, "transformer": _transformer}


def _jacobian(case: Case, transform: Callable[..., Callable[..., jax.Array]]) -> Run:
    tensors, points, _ = _given(case)

    def outputs(x: jax.Array) -> jax.Array:
        return NETWORKS[case.kind](tensors, x[None])[0]

    compiled = jax.jit(jax.vmap(transform(outputs)))
    shape = (case.n_points, case.sizes[-1], -1)
    return lambda: np.asarray(compiled(points).block_until_ready()).reshape(shape)


def _error(case: Case) -> tuple[Callable[..., jax.Array], jax.Array, jax.Array, jax.Array]:
    """E(w, points, targets), half the sum of squares, and what it takes."""
    tensors, points, targets = _given(case)
    flat, unravel = jax.flatten_util.ravel_pytree(tensors)

    def error(w: jax.Array, x: jax.Array, t: jax.Array) -> jax.Array:
        return 0.5 * jnp.sum((NETWORKS[case.kind](unravel(w), x) - t) ** 2)

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
