"""Posteriors, saliencies, influences and Newton steps equal the textbook's formulas on matrices in memory."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import jachess
from jachess.backprop.gradient import error as total_error
from jachess.errors import InputError, StoreError
from jachess.network.graph import Array
from jachess.network.head import error_head
from jachess.result.influence import influence
from jachess.result.pruning import brain_surgeon, surgeon_step
from tests.conftest import save_model
from tests.result.conftest import Stored


@pytest.fixture
def w(stored: Stored) -> Array:
    return stored.result.network().w


@pytest.fixture
def damping(stored: Stored) -> float:
    """Enough to make the Hessian positive definite."""
    return 1.0 - float(np.linalg.eigvalsh(stored.hessian)[0])


@pytest.mark.parametrize("beta", [1.0, 2.5])
def test_the_laplace_posterior(stored: Stored, w: Array, damping: float, beta: float) -> None:
    alpha = beta * damping
    exact = beta * stored.hessian + alpha * np.eye(229)
    inverse = np.linalg.inv(exact)
    posterior = stored.result.hessian.laplace(w, prior_precision=alpha, noise_precision=beta)
    np.testing.assert_allclose(posterior.variances(), np.diag(inverse), rtol=1e-10)
    np.testing.assert_allclose(posterior.covariance()[:].values, beta * inverse, atol=1e-12)
    rows = np.random.default_rng(0).normal(size=(4, 3, 229))
    np.testing.assert_allclose(posterior.predictive_covariance(rows), rows @ inverse @ rows.swapaxes(1, 2), rtol=1e-9)
    np.testing.assert_allclose(posterior.predictive_covariance(rows[0]), rows[0] @ inverse @ rows[0].T, rtol=1e-9)
    evidence = -beta * 3.0 - alpha / 2 * w @ w - np.linalg.slogdet(exact)[1] / 2 + 229 / 2 * np.log(alpha)
    assert posterior.log_evidence(3.0) == pytest.approx(evidence, rel=1e-12)
    samples = posterior.samples(20_000)
    np.testing.assert_allclose(samples.mean(axis=0), w, atol=5 * np.sqrt(np.diag(inverse).max() / 20_000))
    np.testing.assert_allclose(samples.var(axis=0), np.diag(inverse), rtol=0.08)
    with pytest.raises(InputError, match="positive"):
        stored.result.hessian.laplace(w, prior_precision=0)
    with pytest.raises(InputError, match="wrong shape"):
        stored.result.hessian.laplace(w[1:], prior_precision=alpha)


def test_saliencies(stored: Stored, w: Array, damping: float) -> None:
    hessian = stored.result.hessian
    np.testing.assert_allclose(hessian.brain_damage(w), np.diag(stored.hessian) * w**2 / 2, rtol=1e-13)
    exact = stored.hessian + damping * np.eye(229)
    inverse, factor = np.linalg.inv(exact), hessian.cholesky(damping=damping)
    saliencies = brain_surgeon(factor, w)
    np.testing.assert_allclose(saliencies, w**2 / (2 * np.diag(inverse)), rtol=1e-10)
    step = surgeon_step(factor, w, 17)
    assert (w + step)[17] == pytest.approx(0, abs=1e-12)
    assert step @ exact @ step / 2 == pytest.approx(saliencies[17], rel=1e-9)
    others = np.random.default_rng(0).normal(size=(50, 229)) * np.abs(step).max()
    others[:, 17] = -w[17]
    assert (np.einsum("ni,ij,nj->n", others, exact, others) / 2 > saliencies[17]).all()
    with pytest.raises(InputError, match="0 to 228"):
        surgeon_step(factor, w, 229)


def test_influences(stored: Stored, damping: float) -> None:
    random, factor = np.random.default_rng(0), stored.result.hessian.cholesky(damping=damping)
    inverse = np.linalg.inv(stored.hessian + damping * np.eye(229))
    for n, r in ((2, 7), (7, 2)):
        gradients, predictions = random.normal(size=(n, 229)), random.normal(size=(r, 229))
        expected = gradients @ inverse @ predictions.T
        np.testing.assert_allclose(influence(factor, gradients, predictions), expected, atol=1e-11)
    with pytest.raises(InputError, match="gradients"):
        influence(factor, np.ones((2, 5)), predictions)


def test_leaving_a_point_out_moves_the_prediction_as_the_influence_says(wide: Path) -> None:
    """One Newton step without the point, against the influence: the same to first order in that point's share."""
    result = jachess.open_result(wide / "both.zarr")
    net, points, targets = result.network(), np.load(wide / "points.npy"), np.load(wide / "targets.npy")
    hessian, damping = result.hessian[:].values, 2000.0
    one = jachess.gradient(net, points[3:4], targets[3:4], error="cross-entropy")
    test = jachess.gradient(net, points[9:10], targets[9:10], error="cross-entropy")
    found = influence(result.hessian.cholesky(damping=damping), one[None], test[None])[0, 0]
    without = hessian - jachess.hessian(net, points[3:4], targets[3:4], error="cross-entropy") + damping * np.eye(229)
    assert found == pytest.approx(test @ np.linalg.solve(without, one), rel=0.05)


def test_a_newton_step(stored: Stored, damping: float) -> None:
    exact = stored.hessian + damping * np.eye(229)
    found = stored.result.hessian.newton_step(stored.gradient, damping=damping)
    step = -np.linalg.solve(exact, stored.gradient)
    np.testing.assert_allclose(found.step, step, atol=1e-10)
    expected = stored.gradient @ step + step @ stored.hessian @ step / 2
    assert found.predicted == pytest.approx(expected, rel=1e-9)
    with pytest.raises(InputError, match="larger damping"):
        stored.result.hessian.newton_step(stored.gradient, damping=damping - 2)


def test_a_newton_step_lowers_the_error_as_predicted(wide: Path) -> None:
    result = jachess.open_result(wide / "upper.zarr")
    net = result.network()
    points, targets = np.load(wide / "points.npy"), np.load(wide / "targets.npy")
    found = result.hessian.newton_step(result.gradient[:].values, damping=3000.0)

    def error(w: Array) -> float:
        return total_error(error_head(net, "cross-entropy"), lambda: [((points,), targets)], w)

    assert error(net.w + found.step) - error(net.w) == pytest.approx(found.predicted, rel=0.02)


def test_the_network_of_a_result(stored: Stored, wide: Path, tmp_path: Path) -> None:
    assert stored.result.network().n_weights == 229
    copy = Path(shutil.copytree(wide / "both.zarr", tmp_path / "copy.zarr"))
    store = jachess.open_result(copy).store
    for path, wanted in ((tmp_path / "gone.onnx", "cannot be read"), (tmp_path / "other.onnx", "changed")):
        save_model(tmp_path / "other.onnx", seed=5, sizes=(8, 16, 5))
        store.update_attributes({"job": {**store.attributes["job"], "network": str(path)}})
        with pytest.raises(StoreError, match=wanted):
            jachess.open_result(copy).network()
