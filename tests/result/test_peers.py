"""On trained networks, answers agree with other people's programs where these compute the same (extra ``peers``)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import jachess
from jachess.batch.job import job_of
from jachess.batch.run import run_job
from jachess.network.graph import Array, Network
from jachess.result.open import Result

DIGITS = Path(__file__).parents[2] / "workflows" / "digits"
POINTS, ALPHA = 300, 5.0
COMPUTED = ["outer_product", "hessian", "gradient", "diagonal", "outer_product_diagonal", "weight_jacobian"]


@dataclass(frozen=True)
class Trained:
    """A result of the quick-start's network, up to its logits, on some of the digits; and the same in PyTorch."""

    result: Result
    network: Network
    points: Array
    targets: Array
    module: Any
    data: Any


def logits(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network without its softmax."""
    del model.graph.node[-1]
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["points", 10]))
    return model


@pytest.fixture(autouse=True)
def _their_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    pytest.importorskip("curvlinops")
    import torch

    folder = tmp_path_factory.mktemp("digits")
    onnx.save(logits(onnx.load(DIGITS / "digits.onnx")), folder / "logits.onnx")
    points, targets = (np.load(DIGITS / f"{name}.npy")[:POINTS] for name in ("points", "targets"))
    np.save(folder / "points.npy", points)
    np.save(folder / "targets.npy", targets)
    files = {name: str(folder / f"{name}.npy") for name in ("points", "targets")}
    run_job(job_of({**files, "network": str(folder / "logits.onnx"), "out": str(folder / "out.zarr"),
                    "compute": COMPUTED, "error": "cross-entropy", "workers": 1}))  # fmt: skip
    network = jachess.read_network(folder / "logits.onnx")
    module = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10)).double()
    for parameter, weight in zip(module.parameters(), network.weights, strict=True):
        parameter.data = torch.tensor(network.w[weight.slice].reshape(weight.shape))
    data = torch.tensor(points, dtype=torch.float64), torch.tensor(targets)
    return Trained(jachess.open_result(folder / "out.zarr"), network, points, targets, module, data)


@pytest.mark.parametrize("name", ["hessian", "outer_product"])
def test_products_and_diagonals_are_those_of_curvlinops(trained: Trained, name: str) -> None:
    import curvlinops
    import torch

    kind = {"hessian": curvlinops.HessianLinearOperator, "outer_product": curvlinops.GGNLinearOperator}[name]
    loss = torch.nn.CrossEntropyLoss(reduction="sum")
    operator = kind(trained.module, loss, list(trained.module.parameters()), [trained.data])
    vectors = np.random.default_rng(0).normal(size=(trained.network.n_weights, 5))
    theirs = (operator @ torch.tensor(vectors)).detach().numpy()
    matrix = trained.result[name]
    np.testing.assert_allclose(matrix.product(vectors), theirs, atol=1e-10 * np.abs(theirs).max())  # type: ignore[attr-defined]
    few = np.arange(0, trained.network.n_weights, 97)
    units = np.eye(trained.network.n_weights)[:, few]
    columns = (operator @ torch.tensor(units)).detach().numpy()
    diagonal = trained.result["diagonal" if name == "hessian" else "outer_product_diagonal"][:].values
    np.testing.assert_allclose(diagonal[few], columns[few, np.arange(len(few))], atol=1e-12 * np.abs(columns).max())


def test_the_posterior_is_that_of_laplace_torch(trained: Trained) -> None:
    laplace = pytest.importorskip("laplace")
    import torch

    theirs = laplace.Laplace(
        trained.module, "classification", subset_of_weights="all", hessian_structure="full", prior_precision=ALPHA
    )
    theirs.fit(torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*trained.data), batch_size=POINTS))
    net, outer = trained.network, trained.result.outer_product
    precision = theirs.posterior_precision.detach().numpy()
    np.testing.assert_allclose(outer[:].values + ALPHA * np.eye(net.n_weights), precision, atol=1e-5)
    ours = outer.laplace(net.w, prior_precision=ALPHA)
    covariance = theirs.posterior_covariance.detach().numpy()
    np.testing.assert_allclose(ours.variances(), np.diagonal(covariance), rtol=1e-4)
    _, variance = theirs._glm_predictive_distribution(trained.data[0][:20])
    rows = trained.result.weight_jacobian.sel(point="0:20").values
    np.testing.assert_allclose(ours.predictive_covariance(rows), variance.detach().numpy(), rtol=1e-3, atol=1e-6)
    total = torch.nn.CrossEntropyLoss(reduction="sum")(trained.module(trained.data[0]), trained.data[1])
    assert ours.log_evidence(float(total)) == pytest.approx(float(theirs.log_marginal_likelihood()), rel=1e-5)


def test_the_network_lies_where_scikit_learn_stopped() -> None:
    """It minimised (E + 3/2 Σ w²)/N, biases not decayed, by L-BFGS until no derivative was above 1e-4."""
    net = jachess.read_network(DIGITS / "digits.onnx")
    points, targets = (np.load(DIGITS / f"{name}.npy") for name in ("points", "targets"))
    found, decayed = jachess.gradient(net, points, targets, error="cross-entropy"), np.zeros(net.n_weights)
    for weight in net.weights:
        if len(weight.shape) == 2:
            decayed[weight.slice] = -3 * net.w[weight.slice]
    # the file holds float32 weights: a little is due to that
    assert np.abs(found - decayed).max() < 1.1e-4 * len(points) < np.abs(found).max() / 10


def test_linear_regression_has_the_posterior_of_scikit_learn(tmp_path: Path) -> None:
    """BayesianRidge: the covariance of the coefficients, and standard deviations of predictions."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    points = np.load(DIGITS / "points.npy")[:400].astype(np.float64)
    targets = np.load(DIGITS / "targets.npy")[:400].astype(np.float64)
    theirs = linear_model.BayesianRidge(fit_intercept=False).fit(points, targets)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["n", 1])],
        [numpy_helper.from_array(theirs.coef_[:, None], "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    np.save(tmp_path / "points.npy", points)
    np.save(tmp_path / "targets.npy", targets[:, None])
    files = {name: str(tmp_path / f"{name}.npy") for name in ("points", "targets")}
    run_job(job_of({**files, "network": str(tmp_path / "m.onnx"), "out": str(tmp_path / "out.zarr"), "workers": 1,
                    "compute": ["hessian", "weight_jacobian"], "error": "sum-of-squares"}))  # fmt: skip
    result = jachess.open_result(tmp_path / "out.zarr")
    posterior = result.hessian.laplace(theirs.coef_, prior_precision=theirs.lambda_, noise_precision=theirs.alpha_)
    covariance = posterior.covariance()[:].values / theirs.alpha_
    np.testing.assert_allclose(covariance, theirs.sigma_, atol=1e-9 * np.abs(theirs.sigma_).max())
    _, deviation = theirs.predict(points[:50], return_std=True)
    ours = posterior.predictive_covariance(result.weight_jacobian.sel(point="0:50").values)[:, 0, 0]
    np.testing.assert_allclose(np.sqrt(ours + 1 / theirs.alpha_), deviation, rtol=1e-9)
