"""What a planted fault is: a record of one change in the code, and how to make such changes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from jachess.network.operations import TABLE
from jachess.network.operations.record import Call

Plant = Callable[[pytest.MonkeyPatch], None]
Wrapper = Callable[[Callable[..., Any]], Callable[..., Any]]
"""From a function to the faulty one."""

ALL = ("jacobian", "gradient", "hessian")
OF_WEIGHTS = ("gradient", "hessian")
HESSIAN = ("hessian",)
JACOBIAN = ("jacobian",)


@dataclass(frozen=True)
class Fault:
    """A single fault.

    Attributes
    ----------
    kind : str
        What sort of mistake it is; several faults may share it.
    name : str
        What is wrong.
    plant : (MonkeyPatch) -> None
        Puts the fault in its place, until the patch is undone.
    quantities : tuple of str
        In each of these it must change numbers, in some network, and each one's own check must find it.
    operation : str
        An operation that a network must have for the fault to do anything; "" if any has what it needs.
    least : float
        The fault is one where it changes a row by more than this part of the row's norm.
    """

    kind: str
    name: str
    plant: Plant
    quantities: tuple[str, ...] = ALL
    operation: str = ""
    least: float = 1e-7

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def around(path: str, wrapper: Wrapper) -> Plant:
    """A function or method, named by its path, wrapped where it is used."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        owner, name = _owner(path)
        patch.setattr(owner, name, wrapper(getattr(owner, name)))

    return plant


def instead(path: str, value: Any) -> Plant:
    """Something else in the place of what the path names."""
    return around(path, lambda _: value)


def several(*plants: Plant) -> Plant:
    """One mistake that shows in several places."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        for one in plants:
            one(patch)

    return plant


def rule(operation: str, **wrappers: Wrapper) -> Plant:
    """Rules of an operation's record, wrapped."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        record = TABLE[operation]
        changes = {name: wrapper(getattr(record, name)) for name, wrapper in wrappers.items()}
        patch.setitem(TABLE, operation, replace(record, **changes))

    return plant


def returned(change: Callable[..., Any]) -> Wrapper:
    """The function, but with its result changed."""
    return lambda f: lambda *given, **options: change(f(*given, **options))


def times(factor: Callable[[Call], Any]) -> Wrapper:
    """A rule whose results are multiplied by what is made of the call."""

    def wrapper(f: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(call: Call, *given: Any) -> tuple[Any, ...]:
            return tuple(None if part is None else part * factor(call) for part in f(call, *given))

        return faulty

    return wrapper


def nothing(f: Callable[..., Any]) -> Callable[..., Any]:
    """A rule that finds all its results zero."""
    return lambda *given: tuple(None for _ in f(*given))


def _owner(path: str) -> tuple[Any, str]:
    """The module or class that has the last name of a path."""
    parts = path.split(".")
    for split in range(len(parts) - 1, 0, -1):
        try:
            owner = importlib.import_module(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        for name in parts[split:-1]:
            owner = getattr(owner, name)
        return owner, parts[-1]
    raise ModuleNotFoundError(path)
