"""The kinds of layers in a list of layers: one record each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jachess.errors import NetworkError
from jachess.network.sources.activations import ACTIVATIONS, activate
from jachess.network.sources.affine import by_statistics, dense, scaled
from jachess.network.sources.draft import Draft

KERNELS = ("(in, out)", "(out, in)")
DEEPEST = 20
Layer = tuple[str, list[Any], dict[str, Any]]
"""Its kind, the names of its parameters, and its options."""


def taken_apart(layer: Any) -> Layer:
    """The parts of a layer: a name, or a list of a name, names of parameters, and a mapping of options.

    Raises
    ------
    NetworkError
        If it is neither.
    """
    if isinstance(layer, str):
        return layer, [], {}
    if not isinstance(layer, list | tuple) or not layer or not isinstance(layer[0], str):
        raise NetworkError(
            f"layers: wanted the name of a layer, or a list that begins with it (got {str(layer)[:60]})."
        )
    kind, *names = layer
    options = names.pop() if names and isinstance(names[-1], dict) else {}
    return kind, names, dict(options)


class Writer:
    """Writes layers into a draft; ``n_axes`` is the number of axes of one point's value."""

    def __init__(self, draft: Draft, kernels: str, n_axes: int) -> None:
        self.draft, self.kernels, self.n_axes = draft, kernels, n_axes

    def written(self, value: str, layers: Any, depth: int = 0) -> str:
        """The value that layers make of one.

        Raises
        ------
        NetworkError
            If one of them is unknown, or does not get what it needs.
        """
        if not isinstance(layers, list | tuple) or depth > DEEPEST:
            raise NetworkError(f"layers: wanted a list of layers, at most {DEEPEST} within each other.")
        for number, layer in enumerate(layers):
            try:
                value = self._layer(value, layer, depth)
            except NetworkError as error:
                raise NetworkError(f"layer {number}: {error}") from error
        return value

    def _layer(self, value: str, layer: Any, depth: int) -> str:
        kind, names, options = taken_apart(layer)
        if kind == "residual":
            if len(names) != 1 or options:
                raise NetworkError("residual: wanted one list of layers.")
            return self.draft.apply("Add", value, self.written(value, names[0], depth + 1))
        if kind in KINDS:
            return self._of_kind(KINDS[kind], value, names, options)
        if names:
            raise NetworkError(f"'{kind[:40]}': there is no such kind (wanted {', '.join([*KINDS, 'residual'])}).")
        allowed = ACTIVATIONS[kind][1] if kind in ACTIVATIONS else {}
        _check_options(kind, options, allowed)
        return activate(self.draft, value, kind, **options)

    def _of_kind(self, kind: Kind, value: str, names: list[Any], options: dict[str, Any]) -> str:
        least, most = kind.parameters
        if not least <= len(names) <= most or not all(isinstance(name, str) for name in names):
            raise NetworkError(f"{kind.name}: wrong parameters (wanted {least} to {most} names; got {len(names)}).")
        _check_options(kind.name, options, kind.options)
        missing = [key for key in kind.options if key not in options]
        if missing:
            raise NetworkError(f"{kind.name}: give its {missing[0]}, as in {{'{missing[0]}': …}}.")
        return kind.write(self, value, names, options)


def _check_options(kind: str, options: Mapping[str, Any], allowed: Mapping[str, Any]) -> None:
    for key, given in options.items():
        if key not in allowed:
            raise NetworkError(f"{kind[:40]}: has no option {str(key)[:40]!r}.")
        kinds = (int, float) if isinstance(allowed[key], float) else type(allowed[key])
        if not isinstance(given, kinds) or isinstance(given, bool):
            raise NetworkError(f"{kind}: its {key} has no such value (got {str(given)[:40]}).")


@dataclass(frozen=True)
class Kind:
    """A kind of layers.

    Attributes
    ----------
    parameters : (int, int)
        Least and largest number of them.
    write : (Writer, value, names of parameters, options) -> value
    options : mapping
        By name, a value of the type that it must have; all must be given.
    """

    name: str
    parameters: tuple[int, int]
    write: Callable[[Writer, str, Sequence[str], Mapping[str, Any]], str]
    options: Mapping[str, Any] = field(default_factory=dict)


def _dense(w: Writer, value: str, names: Sequence[str], options: Mapping[str, Any]) -> str:
    kernel, *bias = names
    transposed = w.kernels == "(out, in)"
    w.draft.weight(kernel, (None, None))
    for name in bias:
        w.draft.weight(name, (w.draft.tensors[kernel].shape[0 if transposed else 1],))
    return dense(w.draft, value, *names, transposed=transposed, n_axes=w.n_axes)


def _layer_norm(w: Writer, value: str, names: Sequence[str], options: Mapping[str, Any]) -> str:
    value = w.draft.apply("Standardisation", value, axes=(-1,), epsilon=options["epsilon"])
    return scaled(w.draft, value, *map(w.draft.weight, names))


def _batch_norm(w: Writer, value: str, names: Sequence[str], options: Mapping[str, Any]) -> str:
    scale, shift = map(w.draft.weight, names[:2])
    mean, variance = map(w.draft.tensor, names[2:])
    return scaled(w.draft, by_statistics(w.draft, value, mean, variance, options["epsilon"]), scale, shift)


def _standardise(w: Writer, value: str, names: Sequence[str], options: Mapping[str, Any]) -> str:
    return w.draft.apply("Div", w.draft.apply("Sub", value, w.draft.tensor(names[0])), w.draft.tensor(names[1]))


def _flatten(w: Writer, value: str, names: Sequence[str], options: Mapping[str, Any]) -> str:
    w.n_axes = 1
    return w.draft.apply("Flatten", value, axis=1)


def _reshape(w: Writer, value: str, names: Sequence[str], options: Mapping[str, Any]) -> str:
    shape = options["shape"]
    if not shape or not all(type(size) is int and 0 < size < 2**31 for size in shape) or math.prod(shape) > 2**31:
        raise NetworkError(f"reshape: wanted the sizes of axes (got {str(shape)[:40]}).")
    w.n_axes = len(shape)
    return w.draft.apply("Reshape", value, [-1, *shape])


KINDS = {
    kind.name: kind
    for kind in (
        Kind("dense", (1, 2), _dense),
        Kind("layer_norm", (0, 2), _layer_norm, {"epsilon": 1e-6}),
        Kind("batch_norm", (4, 4), _batch_norm, {"epsilon": 1e-5}),
        Kind("standardise", (2, 2), _standardise),
        Kind("flatten", (0, 0), _flatten),
        Kind("reshape", (0, 0), _reshape, {"shape": [1]}),
    )
}
