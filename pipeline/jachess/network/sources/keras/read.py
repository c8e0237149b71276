"""Reading a network from a .keras file: layers and their calls as Keras has written them down, and nothing run."""

from __future__ import annotations

from pathlib import Path

from jachess.errors import NetworkError
from jachess.network.assembly import Choice
from jachess.network.graph import Array, Network
from jachess.network.sources.draft import Draft
from jachess.network.sources.keras.archive import opened, variables
from jachess.network.sources.keras.layer import LAYERS, MODELS, read_layer
from jachess.network.sources.keras.wiring import called, inputs_of


def read_keras(path: Path, weights: Choice, input: str | None, output: str | None) -> Network:
    """Read a network from a .keras file, of Keras 3.

    Raises
    ------
    NetworkError
        If the file is missing, damaged or hostile, or holds a layer that is not known.
    """
    about, root = opened(path)
    with root:
        model = read_layer(about)
        if model.kind not in MODELS:
            raise NetworkError(f"{model}: is no model (wanted {' or '.join(MODELS)}).")
        tensors: dict[str, Array] = {}
        for layer in model.walk():
            for place, names in LAYERS[layer.kind].variables(layer.config).items():
                found = variables(root, (*layer.place, *place), names)
                tensors |= {f"{layer.name}/{name}": array for name, array in found.items()}
    inputs = inputs_of(model)
    draft = Draft(tensors, inputs)
    return draft.network(called(draft, model, [i.name for i in inputs]), weights, input, output)
