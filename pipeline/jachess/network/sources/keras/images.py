"""Layers of Keras over positions: convolutions and pooling; channels are last there, and first in ONNX."""

from __future__ import annotations

from jachess.errors import NetworkError
from jachess.network.sources.keras.layers import with_bias
from jachess.network.sources.keras.record import LayerKind, Use, variables


def _first(use: Use, value: str, n: int) -> str:
    """Channels moved behind the points, if they are not there."""
    use.only("data_format", "channels_last")
    return use.apply("Transpose", value, perm=(0, n + 1, *range(1, n + 1)))


def _last(use: Use, value: str, n: int) -> str:
    return use.apply("Transpose", value, perm=(0, *range(2, n + 2), 1))


def _convolution(n: int) -> LayerKind:
    def write(use: Use) -> str:
        kernel = use.apply("Transpose", use.weight("kernel"), perm=(n + 1, n, *range(n)))
        return use.activated(_slid(use, use.value, kernel, n, "bias", use.whole("groups", 1)))

    return LayerKind(f"Conv{n}D", write, variables(with_bias("kernel")))


def _slid(use: Use, value: str, kernel: str, n: int, bias: str, groups: int) -> str:
    dilations = use.wholes("dilation_rate", n)
    use.only("padding", "valid", "same", "causal")
    padding = {"auto_pad": "SAME_UPPER"} if use.config.get("padding") == "same" else {}
    if use.config.get("padding") == "causal":
        padding = {"pads": (dilations[0] * (use.wholes("kernel_size", n)[0] - 1), *(0,) * (2 * n - 1))}  # type: ignore[dict-item]
    given = [use.weight(bias)] if bias and use.has(bias) else []
    made = use.apply("Conv", _first(use, value, n), kernel, *given, group=groups, strides=use.wholes("strides", n),
                     dilations=dilations, **padding)  # fmt: skip
    return _last(use, made, n)


def _depthwise_kernel(use: Use, name: str, n: int) -> tuple[str, int]:
    """A kernel (…, channels, multiplier) as one of as many groups; and the number of channels."""
    weight = use.weight(name)
    shape = use.draft.tensors[weight].shape
    if len(shape) != n + 2:
        raise NetworkError(f"its kernel has {len(shape)} axes (wanted {n + 2})")
    turned = use.apply("Transpose", weight, perm=(n, n + 1, *range(n)))
    return use.apply("Reshape", turned, [shape[n] * shape[n + 1], 1, *shape[:n]]), shape[n]


def _depthwise(n: int) -> LayerKind:
    def write(use: Use) -> str:
        kernel, channels = _depthwise_kernel(use, "kernel", n)
        return use.activated(_slid(use, use.value, kernel, n, "bias", channels))

    return LayerKind(f"DepthwiseConv{n}D", write, variables(with_bias("kernel")))


def _separable(n: int) -> LayerKind:
    def write(use: Use) -> str:
        kernel, channels = _depthwise_kernel(use, "depthwise_kernel", n)
        value = _slid(use, use.value, kernel, n, "", channels)
        point = use.apply("Transpose", use.weight("pointwise_kernel"), perm=(n + 1, n, *range(n)))
        bias = [use.weight("bias")] if use.has("bias") else []
        return use.activated(_last(use, use.apply("Conv", _first(use, value, n), point, *bias), n))

    return LayerKind(f"SeparableConv{n}D", write, variables(with_bias("depthwise_kernel", "pointwise_kernel")))


def _pooling(keras: str, operation: str, n: int) -> LayerKind:
    def write(use: Use) -> str:
        use.only("padding", "valid", "same")
        size = use.wholes("pool_size", n, 2)
        strides = use.wholes("strides", n) if use.config.get("strides") is not None else size
        pad = "SAME_UPPER" if use.config.get("padding") == "same" else "VALID"
        value = _first(use, use.value, n)
        return _last(use, use.apply(operation, value, kernel_shape=size, strides=strides, auto_pad=pad), n)

    return LayerKind(f"{keras}Pooling{n}D", write)


def _over_all(keras: str, operation: str, n: int) -> LayerKind:
    def write(use: Use) -> str:
        use.only("data_format", "channels_last")
        return use.apply(operation, use.value, list(range(1, n + 1)), keepdims=int(use.config.get("keepdims") is True))

    return LayerKind(f"Global{keras}Pooling{n}D", write)


def _padding(n: int) -> LayerKind:
    def write(use: Use) -> str:
        use.only("data_format", "channels_last")
        given = use.config.get("padding")
        pairs = [given] if n == 1 else given
        fits = (
            isinstance(pairs, list)
            and len(pairs) == n
            and all(
                isinstance(pair, list) and len(pair) == 2 and all(type(p) is int and p >= 0 for p in pair)
                for pair in pairs
            )
        )
        if not fits or not isinstance(pairs, list):
            raise NetworkError(f"'padding' is not {n} pairs of whole numbers (got {str(given)[:40]})")
        return use.apply("Pad", use.value, [0, *(p[0] for p in pairs), 0, 0, *(p[1] for p in pairs), 0])

    return LayerKind(f"ZeroPadding{n}D", write)


IMAGES = tuple(
    kind
    for n in (1, 2, 3)
    for kind in (
        _convolution(n),
        *((_depthwise(n), _separable(n)) if n < 3 else ()),
        _pooling("Max", "MaxPool", n),
        _pooling("Average", "AveragePool", n),
        _over_all("Max", "ReduceMax", n),
        _over_all("Average", "ReduceMean", n),
        _padding(n),
    )
)
