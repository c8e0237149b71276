"""Selections give the parts that they name."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

import jachess
from jachess.errors import InputError
from jachess.network.graph import Array
from jachess.result.query import select, select_largest, summarise
from jachess.result.rendering import Table, render

SELECTIONS = [
    ("jacobian", {"point": "3"}, np.s_[3:4, :, :]),
    ("jacobian", {"point": "0:5", "output": "1", "input": "0,3"}, np.s_[0:5, 1:2, [0, 3]]),
    ("outputs", {"point": "-1"}, np.s_[199:200, :]),
    ("gradient", {"weight_i": "output.bias"}, np.s_[48:51]),
    ("hessian", {"weight_i": "hidden.weight[2, :]", "weight_j": "hidden.bias"}, np.s_[8:12, 24:30]),
    (
        "hessian",
        {"weight_i": "hidden.weight,hidden.bias unit=2", "weight_j": "input=bias"},
        np.s_[[8, 9, 10, 11, 26], [*range(24, 30), *range(48, 51)]],
    ),
    ("hessian", {"weight_i": "hidden.weight[1:3, 0]", "weight_j": "0:2"}, np.s_[[4, 8], 0:2]),
]


def dense(values: Array, part: object) -> Array:
    """The part of an array that each axis's index names on its own."""
    indices = part if isinstance(part, tuple) else (part,)
    for axis, index in enumerate(indices):
        values = values[(slice(None),) * axis + (index,)]
    return values


@pytest.mark.parametrize(("array", "selections", "part"), SELECTIONS)
def test_a_selection_is_the_part_it_names(result: Path, array: str, selections: dict, part: object) -> None:  # type: ignore[type-arg]
    opened = jachess.open_result(result)
    found = select(opened, array, selections)
    np.testing.assert_array_equal(found.values, dense(opened.array(array)[:], part))
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


@pytest.mark.parametrize(
    ("array", "selections"),
    [
        ("hessian", {}),
        ("hessian", {"weight_i": "hidden.bias", "weight_j": "output.weight"}),
        ("jacobian", {}),
        ("jacobian", {"output": "1", "point": "10:20"}),
        ("gradient", {}),
    ],
)
def test_the_largest_elements_are_named(result: Path, array: str, selections: dict) -> None:  # type: ignore[type-arg]
    opened = jachess.open_result(result)
    part = select(opened, array, selections)
    magnitude = np.abs(part.values)
    if array == "hessian" and not selections:
        magnitude = np.triu(magnitude)
    found = select_largest(opened, array, selections, 7)
    assert found.columns == (*part.dimensions, array)
    np.testing.assert_array_equal(np.abs([row[-1] for row in found.rows]), np.sort(magnitude.ravel())[:-8:-1])
    for *names, value in found.rows:
        place = tuple(labels.index(name) for labels, name in zip(part.labels, names, strict=True))
        assert part.values[place] == value
    with pytest.raises(InputError, match="1 or more"):
        select_largest(opened, array, selections, 0)


def test_largest_elements_come_from_all_pieces(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jachess.result.largest.PIECE", 1000)
    opened = jachess.open_result(result)
    found = select_largest(opened, "jacobian", {"output": "0,2"}, 5)
    expected = np.sort(np.abs(opened.array("jacobian")[:][:, [0, 2]]).ravel())[:-6:-1]
    np.testing.assert_array_equal(np.abs([row[-1] for row in found.rows]), expected)


def test_summaries(result: Path) -> None:
    opened = jachess.open_result(result)
    pairs, hessian = summarise(opened, "hessian"), opened.array("hessian")[:]
    assert len(pairs.rows) == 10
    for first, second, count, frobenius, rms, largest in pairs.rows:
        block = opened.hessian[first, second].values
        assert (count, largest) == (block.size, np.abs(block).max())
        np.testing.assert_allclose((frobenius, rms), (np.linalg.norm(block), np.sqrt((block**2).mean())), rtol=1e-12)
    assert sum(row[2] for row in pairs.rows if row[0] == row[1]) < hessian.size
    inputs = summarise(opened, "jacobian")
    assert inputs.columns == ("output", "input", "mean", "mean_magnitude", "root_mean_square", "largest")
    jacobian = opened.array("jacobian")[:]
    np.testing.assert_allclose([row[2] for row in inputs.rows], jacobian.mean(axis=0).ravel(), rtol=1e-12)
    with pytest.raises(InputError, match="no"):
        summarise(opened, "gradient")


def test_formats_of_a_table_hold_the_same_numbers(result: Path) -> None:
    found = summarise(jachess.open_result(result), "hessian")
    frobenius = [row[3] for row in found.rows]
    np.testing.assert_array_equal(np.load(io.BytesIO(render(found, "npy")))["frobenius"], frobenius)
    np.testing.assert_array_equal([row[3] for row in json.loads(render(found, "json"))["rows"]], frobenius)
    lines = render(found, "csv").decode().splitlines()
    assert lines[0] == "tensor_i,tensor_j,elements,frobenius,root_mean_square,largest"
    np.testing.assert_array_equal([float(line.split(",")[3]) for line in lines[1:]], frobenius)
    text = render(Table(("name", "value"), [("a", 0.5)] * 150), "table").decode()
    assert "50 more of 150 lines" in text
