"""An opened result reads as the arrays it was made of, whichever half of a symmetric one is stored."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jachess
from jachess.errors import InputError, StoreError
from tests.result.conftest import TENSORS, Stored

PAIRS = [
    (("hidden.weight", "output.bias"), np.s_[0:128, 224:229]),
    (("output.bias", "hidden.weight"), np.s_[224:229, 0:128]),
    (("output.weight[2, :]", "hidden.bias[3]"), np.s_[176:192, 131:132]),
    (("hidden.weight,hidden.bias unit=3", "hidden.weight input=2"), np.s_[[*range(24, 32), 131], 2:128:8]),
    (("unit=1 input=bias",), np.s_[[129, 225], :]),
    (("hidden.weight unit=0:2 input=0,7", "output.bias"), np.s_[[0, 7, 8, 15], 224:229]),
    ((["output.bias", "hidden.bias[0]"], 5), np.s_[[*range(224, 229), 128], 5:6]),
    ((slice(60, 70), [200, 3, 3]), np.s_[60:70, [200, 3, 3]]),
    ((np.arange(229) % 50 == 0, -1), np.s_[0:229:50, 228:229]),
    ((), np.s_[:, :]),
]


@pytest.mark.parametrize(("keys", "part"), PAIRS, ids=str)
def test_a_pair_of_weights_is_its_block(stored: Stored, keys: tuple, part: tuple) -> None:  # type: ignore[type-arg]
    rows, columns = part
    expected = stored.hessian[rows][:, columns]
    found = stored.result.hessian[keys]
    assert found.shape == expected.shape
    assert [len(labels) for labels in found.labels] == list(expected.shape)
    np.testing.assert_array_equal(found.values, expected)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found.to_dask().compute(scheduler="synchronous"), expected)
    np.testing.assert_array_equal(found.to_xarray().values, expected)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_rows_and_columns_read_as_in_memory(stored: Stored, data: st.DataObject) -> None:
    some = st.lists(st.integers(0, 228), min_size=1, max_size=9)
    rows, columns = data.draw(some), data.draw(some)
    np.testing.assert_array_equal(stored.result.hessian[rows, columns].values, stored.hessian[np.ix_(rows, columns)])


def test_a_jacobian_is_selected_by_point_output_and_input(stored: Stored) -> None:
    jacobian = stored.result.jacobian
    part = jacobian.sel(point=[3, 100], output=1, input="0,4:6")
    expected = stored.jacobian[np.ix_([3, 100], [1], [0, 4, 5])]
    np.testing.assert_array_equal(part.values, expected)
    labelled = part.to_xarray()
    assert labelled.dims == ("point", "output", "input")
    np.testing.assert_array_equal(labelled.sel(point=100, input=5), stored.jacobian[100, 1:2, 5])
    np.testing.assert_array_equal(jacobian.to_dask()[20:40].compute(), stored.jacobian[20:40])
    np.testing.assert_array_equal(jacobian.to_xarray(), stored.jacobian)


def test_weights_carry_their_labels(stored: Stored) -> None:
    block = stored.result.hessian["hidden.weight,hidden.bias unit=3", "output.weight"].to_xarray()
    assert list(block.unit_i.values) == [3] * 9
    assert list(block.input_i.values) == [*range(8), -1]
    assert set(block.layer_j.values) == {"output.weight"}
    assert stored.result.hessian["hidden.bias[2]", "output.weight[1, 5]"].labels == (
        ["hidden.bias[2]"],
        ["output.weight[1, 5]"],
    )


def test_the_whole_result_as_xarray_has_both_triangles(stored: Stored) -> None:
    dataset = stored.result.to_xarray()
    np.testing.assert_array_equal(dataset.hessian.values, stored.hessian)
    np.testing.assert_array_equal(dataset.hessian[-5:, :10], stored.hessian[-5:, :10])
    np.testing.assert_array_equal(dataset.jacobian, stored.jacobian)
    assert list(dataset.hessian.coords["layer_j"].values[::228]) == ["hidden.weight", "output.bias"]
    assert list(TENSORS) == [name for name, _, _ in stored.result.plan.weights]


def test_lazy_arrays_travel(stored: Stored) -> None:
    again = pickle.loads(pickle.dumps(stored.result.hessian["output.bias", 0:3].to_dask()))
    np.testing.assert_array_equal(again.compute(scheduler="synchronous"), stored.hessian[224:229, 0:3])


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (("absent.weight",), "one of hidden.weight, hidden.bias"),
        ((229,), "below 229"),
        (("hidden.weight[16, 0]",), "below 229"),
        (("hidden.weight unit=16",), "below 229"),
        (("hidden.weight,",), "wanted"),
        (("",), "wanted"),
        ((0, 0, 0), "too many selections"),
    ],
)
def test_what_is_not_there_is_refused(stored: Stored, keys: tuple, wanted: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match="wanted") as refused:
        stored.result.hessian[keys]
    assert wanted in str(refused.value)


def test_other_dimensions_and_arrays_are_refused(stored: Stored) -> None:
    with pytest.raises(InputError, match="no dimension weight_k"):
        stored.result.hessian.sel(weight_k=0)
    with pytest.raises(InputError, match="no such element"):
        stored.result.jacobian.sel(input="unit=0")
    with pytest.raises(StoreError, match="wanted one of"):
        stored.result["absent"]


def test_more_than_the_memory_is_refused_before_reading(wide: Path) -> None:
    small = jachess.open_result(wide / "both.zarr", memory="100kB").hessian
    with pytest.raises(InputError, match="larger than the memory"):
        small[:].values  # noqa: B018
    assert small["output.bias", :].values.shape == (5, 229)


def test_a_result_that_still_grows_says_so(wide: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(wide / "both.zarr", tmp_path / "growing.zarr"))
    jachess.open_result(copy).store.update_attributes({"state": "running"})
    (copy / "hessian" / "c" / "0" / "1").unlink()
    with pytest.warns(UserWarning, match="2 of 3 blocks of hessian"):
        growing = jachess.open_result(copy)
    assert "running" in repr(growing)
    assert np.isnan(growing.hessian[0:64, 64:128].values).all()


def test_a_damaged_chunk_is_said(wide: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(wide / "upper.zarr", tmp_path / "damaged.zarr"))
    chunk = copy / "hessian" / "c" / "0" / "3"
    data = bytearray(chunk.read_bytes())
    data[100] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        jachess.open_result(copy).hessian[228, 0].values  # noqa: B018
