"""Layers of Keras: dense ones, activations, normalisations, merging and shaping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jachess.errors import NetworkError
from jachess.network.sources.affine import by_statistics, dense, scaled
from jachess.network.sources.keras.record import LayerKind, Names, Use, variables


def with_bias(*names: str) -> Names:
    """Names of variables, and a bias unless the settings say none."""
    return lambda config: (*names, "bias") if config.get("use_bias", True) else names


def _dense(use: Use) -> str:
    bias = [use.weight("bias")] if use.has("bias") else []
    return use.activated(dense(use.draft, use.value, use.weight("kernel"), *bias, n_axes=use.n_axes))


def _relu(use: Use) -> str:
    slope, threshold, most = use.number("negative_slope", 0), use.number("threshold", 0), use.config.get("max_value")
    if threshold or (slope and most is not None):
        raise NetworkError("a threshold, or a limit with a slope, is not supported")
    if most is not None:
        return use.apply("Clip", use.value, 0.0, use.number("max_value", 0))
    return use.apply("LeakyRelu", use.value, alpha=slope) if slope else use.apply("Relu", use.value)


def _prelu(use: Use) -> str:
    return use.apply("PRelu", use.value, use.weight("alpha"))


def _scale_and_centre(config: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name, key in (("gamma", "scale"), ("beta", "center")) if config.get(key, True))


def _scaled(use: Use, value: str) -> str:
    return scaled(use.draft, value, *(use.weight(name) if use.has(name) else "" for name in ("gamma", "beta")))


def _batch_norm(use: Use) -> str:
    _last_axis(use)
    use.only("renorm", False)
    mean, variance, epsilon = use.constant("moving_mean"), use.constant("moving_variance"), use.number("epsilon", 1e-3)
    return _scaled(use, by_statistics(use.draft, use.value, mean, variance, epsilon))


def _layer_norm(use: Use) -> str:
    _last_axis(use)
    use.only("rms_scaling", False)
    return _scaled(use, use.apply("Standardisation", use.value, axes=(-1,), epsilon=use.number("epsilon", 1e-3)))


def _last_axis(use: Use) -> None:
    use.only("axis", -1, [-1], use.n_axes, [use.n_axes])


def _statistics(config: Mapping[str, Any]) -> tuple[str, ...]:
    return () if config.get("mean") is not None else ("mean", "variance", "count")


def _normalisation(use: Use) -> str:
    """(x − mean)/max(√variance, ε), with Keras' ε of 1e-7."""
    use.only("invert", False)
    _last_axis(use)
    if use.has("mean"):
        mean, variance = use.draft.tensors[use.prefix + "mean"], use.draft.tensors[use.prefix + "variance"]
    else:
        mean, variance = _numbers(use, "mean"), _numbers(use, "variance")
    with np.errstate(invalid="ignore"):
        spread = np.maximum(np.sqrt(variance), 1e-7)
    return use.apply("Div", use.apply("Sub", use.value, mean), spread)


def _numbers(use: Use, key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        return np.asarray(use.config[key], np.float64)
    except (KeyError, ValueError, TypeError) as error:
        raise NetworkError(f"'{key}' is no list of numbers") from error


def _rescaling(use: Use) -> str:
    return use.apply("Add", use.apply("Mul", use.value, _numbers(use, "scale")), _numbers(use, "offset"))


def _embedding(use: Use) -> str:
    use.only("mask_zero", False)
    return use.apply("Gather", use.weight("embeddings"), use.value)


def _concatenate(use: Use) -> str:
    return use.apply("Concat", *use.inputs, axis=use.whole("axis", -1))


def _several(operation: str) -> LayerKind:
    keras = {"Sum": "Add", "Mul": "Multiply", "Sub": "Subtract", "Max": "Maximum", "Min": "Minimum", "Mean": "Average"}

    def write(use: Use) -> str:
        if len(use.inputs) < 2:
            raise NetworkError(f"wanted two inputs at least (got {len(use.inputs)})")
        first, *others = use.inputs
        if operation in ("Sub", "Mul"):
            for other in others:
                first = use.apply(operation, first, other)
            return first
        return use.apply(operation, *use.inputs)

    return LayerKind(keras[operation], write)


def _reshape(use: Use) -> str:
    shape = use.config.get("target_shape")
    n = len(shape) if isinstance(shape, list) else 1
    return use.apply("Reshape", use.value, [0, *use.wholes("target_shape", n)])


def _permute(use: Use) -> str:
    dims = use.config.get("dims")
    n = len(dims) if isinstance(dims, list) else 1
    return use.apply("Transpose", use.value, perm=(0, *use.wholes("dims", n)))


def _repeat(use: Use) -> str:
    return use.apply("Tile", use.apply("Unsqueeze", use.value, [1]), [1, use.whole("n", 1), 1])


def _same(use: Use) -> str:
    return use.value


def _statistical(config: Mapping[str, Any]) -> Sequence[str]:
    return (*_scale_and_centre(config), "moving_mean", "moving_variance")


PLAIN = (
    LayerKind("Dense", _dense, variables(with_bias("kernel"))),
    LayerKind("Activation", lambda use: use.activated(use.value)),
    LayerKind("ReLU", _relu),
    LayerKind("LeakyReLU", lambda use: use.apply("LeakyRelu", use.value, alpha=use.number("negative_slope", 0.3))),
    LayerKind("ELU", lambda use: use.apply("Elu", use.value, alpha=use.number("alpha", 1.0))),
    LayerKind("PReLU", _prelu, variables(lambda config: ("alpha",))),
    LayerKind("Softmax", lambda use: use.apply("Softmax", use.value, axis=use.whole("axis", -1))),
    LayerKind("BatchNormalization", _batch_norm, variables(_statistical)),
    LayerKind("LayerNormalization", _layer_norm, variables(_scale_and_centre)),
    LayerKind("Normalization", _normalisation, variables(_statistics)),
    LayerKind("Rescaling", _rescaling),
    LayerKind("Embedding", _embedding, variables(lambda config: ("embeddings",))),
    LayerKind("Flatten", lambda use: use.apply("Flatten", use.value, axis=1)),
    LayerKind("Reshape", _reshape),
    LayerKind("Permute", _permute),
    LayerKind("RepeatVector", _repeat),
    LayerKind("Concatenate", _concatenate),
    *map(_several, ("Sum", "Mul", "Sub", "Max", "Min", "Mean")),
    *[
        LayerKind(name, _same)
        for name in ("Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
                     "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization")
    ],
)  # fmt: skip
