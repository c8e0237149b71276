"""The public names: few, listed, documented."""

from __future__ import annotations

import inspect

import pytest

import jachess


def test_the_list_is_sorted_and_complete() -> None:
    modules = {name for name, thing in vars(jachess).items() if inspect.ismodule(thing)}
    public = {name for name in vars(jachess) if not name.startswith("_")} - modules - {"version"}
    assert jachess.__all__ == sorted(jachess.__all__)
    assert set(jachess.__all__) == public


@pytest.mark.parametrize("name", [n for n in jachess.__all__ if inspect.isfunction(getattr(jachess, n))])
def test_functions_say_what_they_take_return_and_raise(name: str) -> None:
    function = getattr(jachess, name)
    text = inspect.getdoc(function) or ""
    assert "Parameters\n" in text
    assert "Returns\n" in text
    documented = text.partition("Parameters\n")[2].partition("Returns\n")[0]
    assert all(parameter in documented for parameter in inspect.signature(function).parameters)
