"""Every quantity that jobs can compute: stored as computed, checked, found when wrong, and read again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import zarr

import jachess
from jachess.backprop.propagation import outputs
from jachess.batch.job import QUANTITIES as NAMES
from jachess.batch.job import job_of
from jachess.batch.job_schema import schema
from jachess.batch.quantities import QUANTITIES
from jachess.batch.run import run_job
from jachess.cli.arguments import QUANTITIES as OPTIONS
from jachess.network.graph import Array, Network
from jachess.result.pruning import brain_damage
from jachess.result.validation import validate
from jachess.result.woodbury import woodbury_inverse
from tests.conftest import save_model

MORE = [name for name in NAMES if name not in ("outputs", "jacobian", "gradient", "hessian")]
"""Those that the other tests do not run."""


@dataclass(frozen=True)
class Ran:
    """A finished job of all quantities, and what it was made from."""

    path: Path
    network: Network
    points: Array
    targets: Array


@pytest.fixture(scope="module", params=["both", "upper"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("quantities")
    random = np.random.default_rng(3)
    save_model(folder / "model.onnx", sizes=(8, 16, 5))
    points, targets = random.normal(size=(40, 8)), random.integers(0, 5, 40)
    np.save(folder / "points.npy", points)
    np.save(folder / "targets.npy", targets)
    keys = {name: str(folder / f"{name}.npy") for name in ("points", "targets")}
    job = {"network": str(folder / "model.onnx"), "error": "cross-entropy", "out": str(folder / "out.zarr")}
    run_job(job_of({**keys, **job, "compute": MORE, "workers": 1,
                   "triangle": request.param, "input_hessian_outputs": [2, 0]}))  # fmt: skip
    return Ran(folder / "out.zarr", jachess.read_network(folder / "model.onnx"), points, targets)


def test_the_lists_of_quantities_agree() -> None:
    assert tuple(QUANTITIES) == NAMES == tuple(OPTIONS)
    assert schema()["properties"]["compute"]["items"]["enum"] == list(NAMES)


def test_every_row_is_verified(ran: Ran) -> None:
    verdict = jachess.open_result(ran.path).verdict
    assert verdict is not None
    assert verdict.passed
    assert {*MORE} <= {*verdict.findings}
    assert all(verdict.findings[name].unverified == 0 for name in MORE)
    assert validate(ran.path).passed


def test_what_is_stored_is_what_is_computed(ran: Ran) -> None:
    result, arguments = jachess.open_result(ran.path), (ran.network, ran.points, ran.targets)
    outer = jachess.hessian(*arguments, error="cross-entropy", outer_product=True)
    np.testing.assert_allclose(result.outer_product[:].values, outer, atol=1e-12 * np.abs(outer).max())
    blocks = np.zeros_like(outer, bool)
    for weight in ran.network.weights:
        blocks[weight.slice, weight.slice] = True
    exact = jachess.hessian(*arguments, error="cross-entropy")
    for name, whole in (("block_diagonal", exact), ("outer_product_blocks", outer)):
        expected = np.where(blocks, whole, 0)
        np.testing.assert_allclose(result[name][:].values, expected, atol=1e-12 * np.abs(whole).max())
        distance = result.outer_product.distances({"blocks": result[name]})["blocks"].absolute  # type: ignore[dict-item]
        assert distance == pytest.approx(np.linalg.norm(outer - expected), rel=1e-10)
    for name, whole in (("diagonal", exact), ("outer_product_diagonal", outer)):
        np.testing.assert_allclose(result[name][:].values, np.diagonal(whole), atol=1e-12 * np.abs(whole).max())
    np.testing.assert_allclose(result["weight_jacobian"][:].values, jachess.weight_jacobian(ran.network, ran.points))
    twice = result["input_hessian"][:].values
    np.testing.assert_allclose(twice[:, [2, 0]], jachess.input_hessian(ran.network, ran.points, outputs=[2, 0]))
    assert np.isnan(twice[:, 1]).all()


def test_the_vectors_of_the_outer_product_form(ran: Ran) -> None:
    """Of probabilities y with cross-entropy they are b = ∂y_k/∂w / √y_k."""
    result = jachess.open_result(ran.path)
    rows = result.weight_jacobian[:].values / np.sqrt(outputs(ran.network, (ran.points,)))[:, :, None]
    whole = result.outer_product[:].values
    np.testing.assert_allclose(np.einsum("nki,nkj->ij", rows, rows), whole, atol=1e-12 * np.abs(whole).max())
    inverse = np.linalg.inv(whole + 0.1 * np.eye(len(whole)))
    np.testing.assert_allclose(woodbury_inverse(rows, damping=0.1), inverse, atol=1e-10)


def test_xarray_opens_them_all(ran: Ran) -> None:
    dataset = jachess.open_result(ran.path).to_xarray()
    assert set(MORE) <= set(dataset.data_vars)
    assert dataset.weight_jacobian.coords["layer_i"].values[0] == "hidden.weight"
    assert dataset.outer_product.isnull().sum() == 0


def test_they_are_analysed_too(ran: Ran) -> None:
    result = jachess.open_result(ran.path)
    found = result.weight_jacobian.sensitivity().largest
    np.testing.assert_array_equal(found, np.abs(result.weight_jacobian[:].values).max(axis=0))
    part = result.input_hessian.sel(point=3, output=2, input="1:3", other_input=0)
    np.testing.assert_array_equal(part.values, result.input_hessian[:].values[3:4, 2:3, 1:3, :1])
    assert result.outer_product.eigenpairs(1).values[0] > 0
    saliencies = brain_damage(result["outer_product_diagonal"], ran.network.w)
    np.testing.assert_allclose(saliencies, result.outer_product.brain_damage(ran.network.w), rtol=1e-9)


WRONG = {"outer_product": (7, 60), "weight_jacobian": (31, 1, 40), "input_hessian": (22, 2, 3, 1),
         "block_diagonal": (7, 60), "outer_product_blocks": (130, 160), "diagonal": (7,),
         "outer_product_diagonal": (130,)}  # fmt: skip
"""An element of each; that of outer_product_blocks lies outside of all blocks, in a chunk that is there."""


def test_chunks_that_no_block_touches_are_not_there(ran: Ran) -> None:
    store = jachess.open_result(ran.path).store
    for name in ("block_diagonal", "outer_product_blocks"):
        spec = QUANTITIES[name].arrays(store.plan)[0]
        files = [file for file in (ran.path / name / "c").rglob("*") if file.is_file()]
        assert spec.grid == (4, 4)
        assert len(files) == 16 - spec.left_out == (spec.owners >= 0).sum() < 16
        assert sum(file.stat().st_size for file in files) == spec.stored_bytes


@pytest.mark.parametrize("name", MORE)
def test_one_changed_element_is_found(ran: Ran, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(ran.path, tmp_path / "copy.zarr"))
    stored = zarr.open_array(copy / name, mode="r+")
    stored[WRONG[name]] = stored[WRONG[name]] + 1e-4 * np.nanmax(np.abs(stored[:]))
    verdict = validate(copy)
    failed = {which for which, finding in verdict.findings.items() if finding.failed}
    assert name in failed <= {name, f"symmetry of the {name}"}
