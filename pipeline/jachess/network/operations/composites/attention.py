"""Scaled dot-product attention, softmax(Q Kᵀ/√d + mask) V for each head, and rotary embedding of positions."""

from __future__ import annotations

import numpy as np

from jachess.errors import NetworkError
from jachess.network.graph import Array
from jachess.network.operations.composites.composite import Composite, Graph


def _heads(g: Graph, slot: int, n_heads: int | None) -> str:
    """Queries, keys or values as (points, heads, positions, size); three axes hold the heads side by side."""
    if g.value(slot).ndim == 4:
        return g.input(slot)
    if not n_heads or g.value(slot).shape[-1] % n_heads:
        raise NetworkError(f"{n_heads} heads do not fit {g.value(slot).shape}")
    apart = g.apply("Reshape", g.input(slot), [0, 0, n_heads, -1])
    return g.apply("Transpose", apart, perm=(0, 2, 1, 3))


def _attention(g: Graph) -> list[str]:
    at = g.call.attributes
    q, k, v = (_heads(g, slot, at["q_num_heads" if slot == 0 else "kv_num_heads"]) for slot in range(3))
    if g.input(4):  # what is remembered comes first
        k, v = g.apply("Concat", g.input(4), k, axis=2), g.apply("Concat", g.input(5), v, axis=2)
    present = [k, v]
    n_heads, n_kv, size = _sizes(g, 0)[1], _sizes(g, 1)[1], _sizes(g, 0)[2]
    if n_heads != n_kv:  # several queries share a key
        k, v = (g.apply("Gather", value, np.repeat(np.arange(n_kv), n_heads // n_kv), axis=1) for value in (k, v))
    # the root goes to both factors, as ONNX has it, so that their product does not overflow sooner than it must
    root = float(np.sqrt(1 / np.sqrt(size) if at["scale"] is None else at["scale"]))
    keys = g.apply("Transpose", g.apply("Mul", k, root), perm=(0, 1, 3, 2))
    scores = g.apply("MatMul", g.apply("Mul", q, root), keys)
    if at["softcap"]:
        capped = g.apply("Tanh", g.apply("Div", scores, float(at["softcap"])))
        scores = g.apply("Mul", capped, float(at["softcap"]))
    masked = _masked(g, scores)
    if _may_be_blind(g):  # a query that may see no key sees nothing
        none = g.apply("Equal", g.apply("ReduceMax", masked, [-1]), -np.inf)
        shares = g.apply("Where", none, 0.0, g.apply("Softmax", g.apply("Where", none, 0.0, masked), axis=-1))
    else:
        shares = g.apply("Softmax", masked, axis=-1)
    y = g.apply("MatMul", shares, v)
    if g.value(0).ndim == 3:
        y = g.apply("Reshape", g.apply("Transpose", y, perm=(0, 2, 1, 3)), [0, 0, -1])
    return [y, *present, {2: masked, 3: shares}.get(at["qk_matmul_output_mode"], scores)]


def _sizes(g: Graph, slot: int) -> tuple[int, int, int]:
    """Positions, heads and size of a head."""
    shape = g.value(slot).shape
    if len(shape) == 4:
        return shape[2], shape[1], shape[3]
    n_heads = int(g.call.attributes["q_num_heads" if slot == 0 else "kv_num_heads"])
    return shape[1], n_heads, shape[2] // n_heads


def _n_keys(g: Graph) -> tuple[int, int]:
    """Keys of a point, and how many of them are remembered ones."""
    before = g.value(4).shape[2] if g.input(4) else 0
    return _sizes(g, 1)[0] + before, before


def _masked(g: Graph, scores: str) -> str:
    """Scores with −∞ where a query may not see a key."""
    if g.input(3):
        missing, mask = _n_keys(g)[0] - g.value(3).shape[-1], g.input(3)
        if g.value(3).dtype.kind == "b":
            mask = g.apply("Where", mask, 0.0, -np.inf)
        if missing:
            mask = g.apply("Pad", mask, [0, missing], -np.inf, [-1])
        scores = g.apply("Add", scores, mask)
    for allowed in _allowed(g):
        scores = g.apply("Where", allowed, scores, -np.inf)
    return scores


def _allowed(g: Graph) -> list[str]:
    """Which queries may see which keys, as conditions that must all be met."""
    if not g.input(6):
        inside = _inside(g)
        return [] if inside.all() else [g.constant(inside)]
    n_queries, (n_keys, _) = _sizes(g, 0)[0], _n_keys(g)
    count, (least, most) = g.apply("Unsqueeze", g.input(6), [1, 2, 3]), _window(g)  # a point's keys that are there
    found = [g.apply("Less", np.arange(n_keys), count)]
    ahead = g.apply("Sub", np.arange(n_keys) - np.arange(n_queries)[:, None] + n_queries, count)
    if most is not None:
        found.append(g.apply("LessOrEqual", ahead, np.array(most)))
    if least is not None:
        found.append(g.apply("GreaterOrEqual", ahead, np.array(-least)))
    return found


def _inside(g: Graph) -> Array:
    """Whether each query may see each key, where that is the same for all points."""
    n_queries, (n_keys, before) = _sizes(g, 0)[0], _n_keys(g)
    ahead, (least, most) = np.arange(n_keys) - np.arange(n_queries)[:, None] - before, _window(g)
    inside = np.ones(ahead.shape, bool)
    if most is not None:
        inside &= ahead <= most
    if least is not None:
        inside &= ahead >= -least
    return inside


def _window(g: Graph) -> tuple[int | None, int | None]:
    """How many keys before its own position, and how many after it, a query sees; None: all."""
    left, right = (int(g.call.attributes[f"{side}_window_size"]) for side in ("left", "right"))
    if g.call.attributes["is_causal"]:
        right = 0
    return None if left < 0 else left, None if right < 0 else right


def _may_be_blind(g: Graph) -> bool:
    return bool(g.input(3) or g.input(6)) or not _inside(g).any(axis=1).all()


def _rotary(g: Graph) -> list[str]:
    """Pairs (x1, x2) of each head turned by an angle that depends on the position."""
    at, x = g.call.attributes, g.input(0)
    if g.value(0).ndim == 4:
        x = g.apply("Transpose", x, perm=(0, 2, 1, 3))
        size = g.value(0).shape[3]
    else:
        x = g.apply("Reshape", x, [0, 0, int(at["num_heads"] or 1), -1])
        size = g.value(0).shape[2] // int(at["num_heads"] or 1)
    width = int(at["rotary_embedding_dim"]) or size
    turned, rest = g.split("Split", x, [width, size - width], n_outputs=2, axis=-1)
    cos, sin = (
        g.apply("Unsqueeze", g.apply("Gather", cache, g.input(3), axis=0) if g.input(3) else cache, [2])
        for cache in (g.input(1), g.input(2))
    )
    if at["interleaved"]:
        pairs = g.apply("Reshape", turned, [0, 0, 0, width // 2, 2])
        x1, x2 = (g.apply("Gather", pairs, np.array(i), axis=-1) for i in (0, 1))
    else:
        x1, x2 = g.split("Split", turned, n_outputs=2, axis=-1, num_outputs=2)
    real = g.apply("Sub", g.apply("Mul", cos, x1), g.apply("Mul", sin, x2))
    imaginary = g.apply("Add", g.apply("Mul", sin, x1), g.apply("Mul", cos, x2))
    if at["interleaved"]:
        both = g.apply("Concat", *(g.apply("Unsqueeze", part, [-1]) for part in (real, imaginary)), axis=-1)
        turned = g.apply("Reshape", both, [0, 0, 0, width])
    else:
        turned = g.apply("Concat", real, imaginary, axis=-1)
    y = g.apply("Concat", turned, rest, axis=-1)
    if g.value(0).ndim == 4:
        return [g.apply("Transpose", y, perm=(0, 2, 1, 3))]
    return [g.apply("Reshape", y, [0, 0, -1])]


ATTENTION = (
    Composite(
        "Attention",
        (3, 7),
        _attention,
        {
            "is_causal": 0,
            "kv_num_heads": None,
            "left_window_size": -1,
            "q_num_heads": None,
            "qk_matmul_output_mode": 0,
            "right_window_size": -1,
            "scale": None,
            "softcap": 0.0,
            "softmax_precision": None,
        },
    ),
    Composite("RotaryEmbedding", (3, 4), _rotary, {"interleaved": 0, "num_heads": None, "rotary_embedding_dim": 0}),
)
