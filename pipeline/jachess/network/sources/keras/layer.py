"""The layers of a .keras file, as its configuration has them: models, with their own layers, among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jachess.errors import NetworkError
from jachess.network.sources.keras.attention import ATTENTION
from jachess.network.sources.keras.images import IMAGES
from jachess.network.sources.keras.layers import PLAIN
from jachess.network.sources.keras.record import LayerKind
from jachess.network.sources.keras.sequences import SEQUENCES
from jachess.network.sources.written import checked_name, entry, listed, member

LAYERS: dict[str, LayerKind] = {kind.name: kind for kind in (*PLAIN, *IMAGES, *SEQUENCES, *ATTENTION)}
MODELS = ("Sequential", "Functional", "Model")
MOST_LAYERS = 2000
DEEPEST = 10


@dataclass(frozen=True)
class Layer:
    """One layer of a file; of a model, with its own layers.

    Attributes
    ----------
    name : str
        With the names of the models that it is in.
    place : tuple of str
        Where its variables are.
    calls : sequence
        The file's account of where it is called, in a functional model.
    """

    kind: str
    name: str
    place: tuple[str, ...]
    config: Mapping[str, Any]
    shape: Any
    calls: Sequence[Any]
    trainable: bool
    layers: tuple[Layer, ...] = ()

    def __str__(self) -> str:
        return f"layer '{self.name}' ({self.kind})"

    def walk(self) -> Iterator[Layer]:
        """All layers that are no models."""
        for layer in self.layers:
            yield from layer.walk()
        if self.kind in LAYERS:
            yield self


def read_layer(
    given: Any, place: tuple[str, ...] = (), prefix: tuple[str, ...] = (), trainable: bool = True, depth: int = 0
) -> Layer:
    """A layer, and those in it, as the configuration has them.

    Raises
    ------
    NetworkError
        If it is of a kind that is not known.
    """
    given = entry(given, "layers")
    kind, config = member(given, "class_name", str), entry(given.get("config", {}), "config")
    name = checked_name(given.get("name") or config.get("name") or kind)
    own = str(given.get("module") or "keras").partition(".")[0] == "keras"
    if not own or not (kind in LAYERS or kind in MODELS or kind == "InputLayer") or depth > DEEPEST:
        raise NetworkError(
            f"layer '{name}' ({kind[:40]}): is not known, or not one of Keras' own. Export the model to ONNX instead."
        )
    trainable = trainable and config.get("trainable", True) is not False
    inside = () if depth == 0 else (*prefix, name)
    layers = _parts(config, place, inside, trainable, depth) if kind in MODELS else ()
    built = entry(given.get("build_config") or {}, "build_config")
    shape = built.get("input_shape") or entry(built.get("shapes_dict") or {}, "shapes_dict").get("query_shape")
    calls = given.get("inbound_nodes", [])
    return Layer(kind, "/".join((*prefix, name)), place, config, shape, calls, trainable, layers)


def _parts(
    config: Mapping[str, Any], place: tuple[str, ...], prefix: tuple[str, ...], trainable: bool, depth: int
) -> tuple[Layer, ...]:
    """The layers of a model; Keras keeps variables by class, and by number within a class."""
    listed_layers, seen, made = listed(config, "layers"), dict[str, int](), []
    if len(listed_layers) > MOST_LAYERS:
        raise NetworkError(f"the model is too large (wanted at most {MOST_LAYERS} layers; got {len(listed_layers)}).")
    for each in listed_layers:
        kind = str(entry(each, "layers").get("class_name"))
        stem = _snake_case(LAYERS[kind].kept or kind if kind in LAYERS else kind)
        seen[stem] = seen.get(stem, -1) + 1
        group = f"{stem}_{seen[stem]}" if seen[stem] else stem
        made.append(read_layer(each, (*place, "layers", group), prefix, trainable, depth + 1))
    names = [layer.name for layer in made]
    if len(set(names)) < len(names):
        raise NetworkError("two layers have the same name.")
    return tuple(made)


def _snake_case(name: str) -> str:
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
