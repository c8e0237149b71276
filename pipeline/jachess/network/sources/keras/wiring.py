"""How the layers of a .keras file are called: one after the other, or as a functional model writes down each call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jachess.errors import NetworkError
from jachess.network.graph import Input
from jachess.network.operations.axes import bounded
from jachess.network.sources.draft import Draft
from jachess.network.sources.keras.layer import LAYERS, Layer
from jachess.network.sources.keras.record import Use

_DTYPES = {"float16": "float64", "bfloat16": "float64", "float32": "float64", "float64": "float64", "int32": "int32",
           "int64": "int64", "bool": "bool", "uint8": "uint8", "int8": "int8"}  # fmt: skip
_DEEPEST = 20
Place = tuple[str, int, int]
"""A value: the layer that makes it, at which of its calls, as which of its outputs."""


def inputs_of(model: Layer) -> list[Input]:
    """The inputs of a model, in its own order.

    Raises
    ------
    NetworkError
        If one has no fixed shape.
    """
    if model.kind == "Sequential":
        first = model.layers[0] if model.layers else model
        if first.kind == "InputLayer":
            return [_input(first)]
        shape = model.config.get("build_input_shape") or model.shape
        return [Input("input", _sizes(model, shape), "float64")]
    layers = {layer.name.rpartition("/")[2]: layer for layer in model.layers if layer.kind == "InputLayer"}
    found = [layers.get(name) for name, *_ in _places(model, "input_layers")]
    if None in found or not found:
        raise NetworkError(f"{model}: its inputs are not among its layers.")
    return [_input(layer) for layer in found if layer is not None]


def _input(layer: Layer) -> Input:
    dtype = layer.config.get("dtype", "float32")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise NetworkError(f"{layer}: its type is not supported (got {str(dtype)[:40]}).")
    return Input(layer.name, _sizes(layer, layer.config.get("batch_shape")), _DTYPES[dtype])


def _sizes(layer: Layer, shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, list) or not shape or not all(type(size) is int and size > 0 for size in shape[1:]):
        raise NetworkError(f"{layer}: the shape of a point is not fixed (got {str(shape)[:40]}).")
    return bounded(shape[1:])


def called(draft: Draft, layer: Layer, inputs: Sequence[str], flags: tuple[str, ...] = ()) -> list[str]:
    """What a layer or a model makes of values, called with these flags.

    Raises
    ------
    NetworkError
        If it cannot be called on them; names the layer.
    """
    if layer.kind == "Sequential":
        values = list(inputs)
        for inner in layer.layers:
            values = values if inner.kind == "InputLayer" else called(draft, inner, values)
        return values
    if layer.kind not in LAYERS:
        return _functional(draft, layer, inputs)
    n_axes = len(layer.shape) - 1 if _is_plain(layer.shape) else 1
    use = Use(draft, layer.config, f"{layer.name}/", tuple(inputs), n_axes, layer.trainable, flags)
    try:
        return [LAYERS[layer.kind].write(use)]
    except NetworkError as error:
        raise NetworkError(f"{layer}: {error}") from error


def _is_plain(shape: Any) -> bool:
    return isinstance(shape, list) and all(size is None or type(size) is int for size in shape)


def _functional(draft: Draft, model: Layer, inputs: Sequence[str]) -> list[str]:
    """The calls of a functional model, each as soon as what it is called on is known."""
    known: dict[Place, str] = {}
    for place, value in zip(_places(model, "input_layers"), inputs, strict=False):
        known[place] = value
    waiting = [(layer, number, *_read(layer, call)) for layer in model.layers if layer.kind != "InputLayer"
               for number, call in enumerate(_calls(layer))]  # fmt: skip
    while waiting:
        left = []
        for layer, number, places, flags in waiting:
            if all(place in known for place in places):
                made = called(draft, layer, [known[place] for place in places], flags)
                name = layer.name.rpartition("/")[2]
                known |= {(name, number, slot): value for slot, value in enumerate(made)}
            else:
                left.append((layer, number, places, flags))
        if len(left) == len(waiting):
            raise NetworkError(f"{left[0][0]}: is called on a value that is never made.")
        waiting = left
    missing = [place for place in _places(model, "output_layers") if place not in known]
    if missing:
        raise NetworkError(f"{model}: its output '{missing[0][0]}' is never made.")
    return [known[place] for place in _places(model, "output_layers")]


def _calls(layer: Layer) -> list[Any]:
    if not isinstance(layer.calls, list):
        raise NetworkError(f"{layer}: 'inbound_nodes' is no list.")
    return layer.calls


def _read(layer: Layer, call: Any) -> tuple[list[Place], tuple[str, ...]]:
    """The values that a layer is called on, and the flags that it is called with."""
    given = call.get("kwargs", {}) if isinstance(call, dict) else None
    if not isinstance(given, dict):
        raise NetworkError(f"{layer}: its calls are not as Keras 3 writes them. Save the model again.")
    kind, flags = LAYERS.get(layer.kind), []
    for key, value in given.items():
        if kind is not None and key in kind.flags and value is True:
            flags.append(key)
        elif value is not None and value is not False and (kind is None or key not in kind.tensors):
            raise NetworkError(f"{layer}: is called with '{str(key)[:40]}', which is not supported.")
    named = [given[name] for name in (kind.tensors if kind else ()) if given.get(name) is not None]
    return list(_tensors(layer, [call.get("args"), *named], 0)), tuple(flags)


def _tensors(layer: Layer, given: Any, depth: int) -> Iterator[Place]:
    if isinstance(given, list) and depth < _DEEPEST:
        for each in given:
            yield from _tensors(layer, each, depth + 1)
        return
    config = given.get("config") if isinstance(given, dict) else None
    if not isinstance(config, dict) or given.get("class_name") != "__keras_tensor__":
        raise NetworkError(f"{layer}: is called on what is no value of a layer (got {str(given)[:40]}).")
    yield _place(layer, config.get("keras_history"))


def _place(layer: Layer, given: Any) -> Place:
    if not isinstance(given, list) or [type(part) for part in given] != [str, int, int]:
        raise NetworkError(f"{layer}: names a value in a way that is not known (got {str(given)[:40]}).")
    return given[0], given[1], given[2]


def _places(model: Layer, key: str) -> list[Place]:
    """Inputs or outputs: one, or a list."""
    given = model.config.get(key)
    if not isinstance(given, list) or not given:
        raise NetworkError(f"{model}: '{key}' is no list.")
    return [_place(model, each) for each in ([given] if isinstance(given[0], str) else given)]
