"""PyTorch modules: every parameter under its name, ties one weight, derivatives those of PyTorch in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jachess
from jachess.backprop.propagation import outputs
from jachess.errors import NetworkError

torch = pytest.importorskip("torch")
nn = pytest.importorskip("torch.nn")
pytest.importorskip("onnxscript")

POINTS = np.random.default_rng(0).normal(size=(5, 4))


class Tied(torch.nn.Module):
    """An autoencoder whose decoder is the encoder transposed, and a layer with two names."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.middle = nn.Linear(4, 3), nn.Linear(3, 3)
        self.again, self.shift = self.middle, nn.Parameter(torch.zeros(4))

    def forward(self, x: Any) -> Any:
        z = torch.tanh(self.again(torch.tanh(self.middle(torch.tanh(self.encode(x))))))
        return z @ self.encode.weight + self.shift


class Alike(torch.nn.Module):
    """Parameters that happen to have equal values, and one that feeds nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.idle = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        return torch.tanh(self.left(x)) * self.right(x)


def alike() -> nn.Module:
    module = Alike()
    module.right.load_state_dict(module.left.state_dict())
    return module


class Tokens(torch.nn.Module):
    """Two tokens through an encoder's block, which folds them into the points' axis for a product."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(4, 2, 3, 0.0, layer_norm_eps=2.0**-10, batch_first=True)
        self.apart, self.last = nn.Linear(4, 8), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        return self.last(self.block(self.apart(x).reshape(-1, 2, 4)).sum(1))


CASES: dict[str, Callable[[], Any]] = {
    "a layer": lambda: nn.Linear(4, 3),
    "layers": lambda: nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.LayerNorm(5, 2.0**-10), nn.Linear(5, 3)),
    "tied": Tied,
    "alike": alike,
    "batch normalisation, dropout": lambda: nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5, 2.0**-10), nn.Dropout(),
                                                          nn.Tanh(), nn.Linear(5, 2)),
    "tokens": Tokens,
    "convolution": lambda: nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 2, 2), nn.Tanh(), nn.Flatten(),
                                         nn.Linear(6, 2)),
    "zeros": lambda: zeroed(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))),
}  # fmt: skip


def zeroed(module: Any) -> Any:
    """With biases of zero, which an exporter may leave out."""
    for name, p in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(p)
    return module


def made(name: str, dtype: Any = torch.float64) -> Any:
    torch.manual_seed(0)
    return CASES[name]().to(dtype)


def parameters(module: Any) -> dict[str, Any]:
    """Those that feed the outputs, by their first names."""
    return {name: p for name, p in module.named_parameters() if not name.startswith("idle")}


def reference(module: Any) -> dict[str, Any]:
    """Outputs, Jacobian, gradient and Hessian of half the sum of squares, by PyTorch in float64."""
    wide, x, wanted = copy.deepcopy(module).double().eval(), torch.from_numpy(POINTS), parameters(module)
    sizes = [p.numel() for p in wanted.values()]

    def f(w: Any, x: Any) -> Any:
        parts = zip(wanted.items(), torch.split(w, sizes), strict=True)
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # has second derivatives
            return torch.func.functional_call(wide, {n: part.view(p.shape) for (n, p), part in parts}, x)

    w = torch.cat([p.detach().double().ravel() for p in wanted.values()])
    y = f(w, x).detach()
    targets = torch.rand(y.shape, dtype=torch.float64)

    def error(w: Any) -> Any:
        return 0.5 * ((f(w, x) - targets) ** 2).sum()

    rows = torch.autograd.functional.jacobian(lambda x: f(w, x).sum(0), x)
    return {"outputs": y, "targets": targets, "jacobian": rows.movedim(0, 1),
            "gradient": torch.autograd.functional.jacobian(error, w),
            "hessian": torch.autograd.functional.hessian(error, w)}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_derivatives_and_names_are_those_of_pytorch(name: str, dtype: Any) -> None:
    module = made(name, dtype)
    net = jachess.from_torch(module, torch.from_numpy(POINTS))
    wanted = parameters(module)
    assert [(w.name, w.shape) for w in net.weights] == [(n, tuple(p.shape)) for n, p in wanted.items()]
    np.testing.assert_array_equal(net.w, np.concatenate([p.detach().numpy().ravel() for p in wanted.values()]))
    expected = reference(module)
    at = {"targets": expected["targets"].numpy(), "error": "sum-of-squares"}
    for found, wanted_values in (
        (outputs(net, (POINTS,)), expected["outputs"]),
        (jachess.jacobian(net, POINTS), expected["jacobian"]),
        (jachess.gradient(net, POINTS, **at), expected["gradient"]),
        (jachess.hessian(net, POINTS, **at), expected["hessian"]),
    ):
        np.testing.assert_allclose(found, wanted_values.numpy(), rtol=1e-10, atol=1e-12)


def test_the_module_is_left_as_it_is() -> None:
    module = made("batch normalisation, dropout")
    module[1].eval()
    before = copy.deepcopy(module.state_dict())
    net = jachess.from_torch(module, POINTS[:1])
    assert [part.training for part in module] == [True, False, True, True, True]
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert outputs(net, (POINTS,)).shape == (5, 2)


def test_weights_and_input_may_be_chosen() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.table = nn.Linear(4, 3), nn.Embedding(5, 4)

        def forward(self, x: Any, u: Any, number: Any) -> Any:
            return self.a(x * u + self.table(number))

    points = (POINTS, POINTS[::-1].copy(), np.arange(5))
    net = jachess.from_torch(Two().double(), points, weights=["a.weight"], input="u")
    assert [weight.name for weight in net.weights] == ["a.weight"]
    assert net.input == "u"
    assert jachess.jacobian(net, list(points)).shape == (5, 3, 4)


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "no module": (lambda: (3, POINTS), "wanted a torch.nn.Module"),
    "no example": (lambda: (nn.Linear(4, 3), "x"), "is no tensor"),
    "no points": (lambda: (nn.Linear(4, 3), POINTS[:0]), "wanted an example of some points"),
    "an example that does not fit": (lambda: (nn.Linear(4, 3), POINTS[:, :2]), "PyTorch cannot export it"),
    "points that depend on each other": (lambda: (Over(), POINTS), "depends on the other points"),
}


class Over(torch.nn.Module):
    def forward(self, x: Any) -> Any:
        return x - x.mean(0)


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_what_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        jachess.from_torch(*make())
