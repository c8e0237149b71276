"""Selections give the parts that they name."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

import jachess
from jachess.errors import InputError
from jachess.result.query import select
from jachess.result.rendering import render

SELECTIONS = [
    ("jacobian", {"point": "3"}, np.s_[3:4, :, :]),
    ("jacobian", {"point": "0:5", "output": "1", "input": "0,3"}, np.s_[0:5, 1:2, [0, 3]]),
    ("outputs", {"point": "-1"}, np.s_[199:200, :]),
    ("gradient", {"weight_i": "output.bias"}, np.s_[48:51]),
    ("hessian", {"weight_i": "hidden.weight[2, :]", "weight_j": "hidden.bias"}, np.s_[8:12, 24:30]),
    ("hessian", {"weight_i": "hidden.weight[1:3, 0]", "weight_j": "0:2"}, np.s_[[4, 8], 0:2]),
]


@pytest.mark.parametrize(("array", "selections", "part"), SELECTIONS)
def test_a_selection_is_the_part_it_names(result: Path, array: str, selections: dict, part: object) -> None:  # type: ignore[type-arg]
    opened = jachess.open_result(result)
    found = select(opened, array, selections)
    np.testing.assert_array_equal(found.values, opened.array(array)[:][part])
    assert [len(labels) for labels in found.labels] == list(found.values.shape)


def test_weights_are_named_by_tensor_and_index(result: Path) -> None:
    found = select(jachess.open_result(result), "gradient", {"weight_i": "hidden.weight[2, 1:3]"})
    assert found.labels == (["hidden.weight[2, 1]", "hidden.weight[2, 2]"],)


@pytest.mark.parametrize(
    ("array", "selections"),
    [
        ("jacobian", {"point": "200"}),
        ("jacobian", {"point": "three"}),
        ("jacobian", {"weight_i": "0"}),
        ("hessian", {"weight_i": "absent.weight"}),
        ("hessian", {"weight_i": "hidden.weight[9, 0]"}),
        ("absent", {}),
    ],
)
def test_what_is_not_there_is_refused(result: Path, array: str, selections: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match="wanted"):
        select(jachess.open_result(result), array, selections)


def test_formats_hold_the_same_numbers(result: Path) -> None:
    found = select(jachess.open_result(result), "hessian", {"weight_i": "hidden.bias", "weight_j": "output.bias"})
    np.testing.assert_array_equal(np.load(io.BytesIO(render(found, "npy"))), found.values)
    np.testing.assert_array_equal(json.loads(render(found, "json"))["values"], found.values)
    lines = render(found, "csv").decode().splitlines()
    assert lines[0] == "weight_i,weight_j,hessian"
    np.testing.assert_array_equal([float(line.split(",")[-1]) for line in lines[1:]], found.values.ravel())
    assert "hidden.bias[0]" in render(found, "table").decode()


def test_a_large_table_says_what_it_leaves_out(result: Path) -> None:
    text = render(select(jachess.open_result(result), "hessian", {}), "table").decode()
    assert f"of {51 * 51:,} elements" in text
