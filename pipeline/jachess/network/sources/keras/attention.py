"""Attention layers of Keras: of several heads, of groups of queries, and of none but its inputs."""

from __future__ import annotations

from jachess.errors import NetworkError
from jachess.network.sources.affine import dense
from jachess.network.sources.keras.layers import with_bias
from jachess.network.sources.keras.record import LayerKind, Places, Use

CAUSAL = "use_causal_mask"
_PROJECTIONS = {"query": "query", "key": "key", "value": "value", "output": "attention_output"}
"""Where each is kept, and its name."""
_TENSORS = ("query", "value", "key")
"""What such a layer is called on, in this order; the keys are the values unless they are given."""


def _projected(use: Use, name: str, value: str, *, back: bool = False) -> str:
    """Queries, keys or values of all heads side by side; or ``back`` from there, by a kernel (heads, size, out)."""
    kernel = use.weight(f"{name}/kernel")
    shape = use.draft.tensors[kernel].shape
    if len(shape) != 3:
        raise NetworkError(f"'{name}': wanted a kernel of three axes (got {shape})")
    flat = use.apply("Reshape", kernel, [-1, shape[2]] if back else [0, -1])
    bias = [use.apply("Reshape", use.weight(f"{name}/bias"), [-1])] if use.has(f"{name}/bias") else []
    return dense(use.draft, value, flat, *bias, n_axes=2)


def _given(use: Use) -> tuple[str, str, str]:
    """Queries, keys and values."""
    if len(use.inputs) not in (2, 3):
        raise NetworkError(f"wanted queries, values and perhaps keys (got {len(use.inputs)} values)")
    query, value, *key = use.inputs
    return query, key[0] if key else value, value


def _attention(use: Use, n_heads: int, n_kv_heads: int, size: int) -> str:
    use.only("sliding_window", None)
    use.only("use_gate", False)
    if use.n_axes != 2:
        raise NetworkError("wanted points of two axes, tokens and features")
    parts = [_projected(use, name, value) for name, value in zip(("query", "key", "value"), _given(use), strict=True)]
    seen = use.apply(
        "Attention", *parts, q_num_heads=n_heads, kv_num_heads=n_kv_heads, scale=size**-0.5,
        is_causal=int(CAUSAL in use.flags),
    )  # fmt: skip
    return _projected(use, "attention_output", seen, back=True)


def _heads(use: Use) -> str:
    use.only("attention_axes", None, [1])
    n_heads = use.whole("num_heads", 1)
    return _attention(use, n_heads, n_heads, use.whole("key_dim", 1))


def _groups(use: Use) -> str:
    n_heads, n_kv_heads = use.whole("num_query_heads", 1), use.whole("num_key_value_heads", 1)
    return _attention(use, n_heads, n_kv_heads, use.whole("head_dim", 1))


def _places(prefix: str) -> Places:
    """Kernel and bias of each projection, which Keras keeps as layers of its own."""
    return lambda config: {
        (f"{prefix}{kept}_dense",): [f"{name}/{variable}" for variable in with_bias("kernel")(config)]
        for kept, name in _PROJECTIONS.items()
    }


def _plain(use: Use) -> str:
    """Softmax(s Q Kᵀ) V, with a scale s that may be a weight."""
    use.only("score_mode", "dot")
    query, key, value = _given(use)
    query = use.apply("Mul", query, use.weight("scale")) if use.has("scale") else query
    return use.apply(
        "Attention", query, key, value, q_num_heads=1, kv_num_heads=1, scale=1.0, is_causal=int(CAUSAL in use.flags)
    )


ATTENTION = (
    LayerKind("MultiHeadAttention", _heads, _places(""), _TENSORS, (CAUSAL,)),
    LayerKind("GroupQueryAttention", _groups, _places("_"), _TENSORS, (CAUSAL,), "GroupedQueryAttention"),
    LayerKind("Attention", _plain, lambda config: {(): ("scale",) if config.get("use_scale") else ()}, flags=(CAUSAL,)),
)
