"""What a layer of Keras is here: a record of its variables and of the operations that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jachess.errors import NetworkError
from jachess.network.sources.activations import activate
from jachess.network.sources.draft import Draft

_ACTIVATIONS = {"leaky_relu": {"alpha": 0.2}}
"""Where Keras' defaults are others."""


@dataclass(frozen=True)
class Use:
    """One call of a layer.

    Attributes
    ----------
    draft : Draft
    config : mapping
        The layer's settings, as the file gives them.
    prefix : str
        What the names of its variables begin with.
    inputs : tuple of str
        Names of the values that it is called on.
    n_axes : int
        Axes of one point's input, as far as the file says; 1 otherwise.
    trainable : bool
    flags : tuple of str
        What it is called with.
    """

    draft: Draft
    config: Mapping[str, Any]
    prefix: str
    inputs: tuple[str, ...]
    n_axes: int
    trainable: bool
    flags: tuple[str, ...] = ()

    @property
    def value(self) -> str:
        """The one input."""
        if len(self.inputs) != 1:
            raise NetworkError(f"wanted one input (got {len(self.inputs)})")
        return self.inputs[0]

    def part(self, config: Mapping[str, Any], name: str) -> Use:
        """The same call of a layer in this one."""
        return replace(self, config=config, prefix=f"{self.prefix}{name}/")

    def has(self, variable: str) -> bool:
        """Whether the layer has such a variable."""
        return self.prefix + variable in self.draft.tensors

    def weight(self, variable: str) -> str:
        """A variable that is a weight, if the layer may be trained."""
        return (self.draft.weight if self.trainable else self.draft.tensor)(self.prefix + variable)

    def constant(self, variable: str) -> str:
        """A variable that is none, such as a running mean."""
        return self.draft.tensor(self.prefix + variable)

    def apply(self, operation: str, *inputs: Any, **attributes: Any) -> str:
        """The output of an operation."""
        return self.draft.apply(operation, *inputs, **attributes)

    def activated(self, value: str, key: str = "activation") -> str:
        """The value behind the activation function that the settings name under a key."""
        name = self.activation(key)
        if name == "relu6":
            return self.apply("Clip", value, 0.0, 6.0)
        return activate(self.draft, value, name, **_ACTIVATIONS.get(name, {}))

    def activation(self, key: str) -> str:
        """The name of that function."""
        found = self.config.get(key) or "linear"
        if isinstance(found, dict) and found.get("class_name") == "function":
            found = found.get("config")
        if not isinstance(found, str):
            raise NetworkError(f"'{key}' is no activation function of Keras (got {str(found)[:60]})")
        return found

    def number(self, key: str, default: float) -> float:
        """A setting that is a number."""
        found = self.config.get(key)
        found = default if found is None else found
        if not isinstance(found, int | float) or isinstance(found, bool):
            raise NetworkError(f"'{key}' is no number (got {str(found)[:40]})")
        return float(found)

    def whole(self, key: str, default: int) -> int:
        """A setting that is a whole number."""
        return int(self.wholes(key, 1, default)[0])

    def wholes(self, key: str, n: int, default: int = 1) -> tuple[int, ...]:
        """A setting that is as many whole numbers, or one for all."""
        found = self.config.get(key)
        found = default if found is None else found
        listed = list(found) if isinstance(found, list | tuple) else [found] * n
        if len(listed) != n or not all(type(each) is int and abs(each) < 2**31 for each in listed):
            raise NetworkError(f"'{key}' is not {n} whole numbers (got {str(found)[:40]})")
        return tuple(listed)

    def only(self, key: str, *allowed: Any) -> None:
        """Refuse a setting that is none of these; the first is its default."""
        found = self.config.get(key, allowed[0])
        if found not in allowed:
            raise NetworkError(
                f"'{key}' is not supported (wanted {' or '.join(map(repr, allowed))}; got {str(found)[:40]})"
            )


Names = Callable[[Mapping[str, Any]], Sequence[str]]
Places = Callable[[Mapping[str, Any]], Mapping[tuple[str, ...], Sequence[str]]]


def no_variables(config: Mapping[str, Any]) -> Mapping[tuple[str, ...], Sequence[str]]:
    """Of a layer that has none."""
    return {(): ()}


def variables(names: Names, *place: str) -> Places:
    """All at one place within the layer's group."""
    return lambda config: {place: names(config)}


@dataclass(frozen=True)
class LayerKind:
    """A class of layers.

    Attributes
    ----------
    name : str
        Keras' name of the class.
    write : Use -> value
    variables : settings -> by their place within the layer's group, names of the variables in the file's order
    tensors, flags : tuple of str
        Names under which it may be given what it is called on, in their order, and what it may be called with.
    kept : str
        The class under which the file keeps its variables, if that is another.
    """

    name: str
    write: Callable[[Use], str]
    variables: Places = no_variables
    tensors: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    kept: str = ""
