"""The networks that exporters are asked to write: a table of families.

Slopes, ε and scales of attention are dyadic fractions, which the float32 attributes of the files hold exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import fusion, parametrizations

EPS = 2.0**-17
CLASSES = 7


def same(module: nn.Module) -> nn.Module:
    return module


@dataclass(frozen=True)
class Case:
    """A network.

    Attributes
    ----------
    make : () -> nn.Module
    points : tuple
        Shape of one point of each input; None for a class number.
    ends : str or None
        How error functions of classes read the outputs: logits, probabilities, log-probabilities or sigmoids.
    twins : tuple of nn.Module -> nn.Module
        The same function, with parameters as an exporter may fold them, constants as ONNX has them, or spelled out
        where PyTorch's own second derivatives are missing or wrong: what a file may be compared with.
    """

    family: str
    name: str
    make: Callable[[], nn.Module]
    points: tuple[tuple[int, ...] | None, ...] = ((5,),)
    ends: str | None = "logits"
    twins: tuple[Callable[[Any], nn.Module], ...] = (same,)

    def __str__(self) -> str:
        return f"{self.family}: {self.name}"


class Net(nn.Module):
    """Layers, and a function of them and the inputs."""

    def __init__(self, function: Callable[..., Any], **layers: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Any, u: Any = None) -> Any:
        return self.function(self, x) if u is None else self.function(self, x, u)


class Plain(nn.Module):
    """An activation function by its definition, with the constants that ONNX has in float32."""

    def __init__(self, h: Callable[[Any], Any]) -> None:
        super().__init__()
        self.h = h

    def forward(self, x: Any) -> Any:
        return self.h(x)


SIXTH, ALPHA, GAMMA = (torch.tensor(value).item() for value in (1 / 6, 1.6732632423543772, 1.0507009873554805))


def hardsigmoid(x: Any) -> Any:
    return torch.clamp(x * SIXTH + 0.5, 0, 1)


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))


def with_activation(activation: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Linear(5, 6), activation, nn.Linear(6, 4), activation, nn.Linear(4, 3))


def replaced(kind: type[nn.Module], other: Callable[[Any], nn.Module]) -> Callable[[nn.Module], nn.Module]:
    """Every module of this kind replaced."""

    def twin(module: nn.Module) -> nn.Module:
        for name, child in module._modules.items():  # named_children passes over what is there twice
            setattr(module, name, other(child) if isinstance(child, kind) else twin(child))
        return module

    return twin


def multiplied_out(layer: Any) -> nn.Module:
    """Linear with the product that weight normalisation makes."""
    made = nn.Linear(layer.in_features, layer.out_features)
    made.load_state_dict({"weight": layer.weight, "bias": layer.bias})
    return made


def spelled_out(layer: Any) -> nn.Module:
    """Linear with weights g v / |v|: PyTorch's own second derivative of that is wrong."""
    parts = layer.parametrizations.weight
    return Net(
        lambda s, x: F.linear(x, s.g * s.v / (s.v * s.v).sum(1, keepdim=True).sqrt(), s.bias),
        g=parts.original0, v=parts.original1, bias=layer.bias,
    )  # fmt: skip


def fused(module: Any) -> nn.Module:
    """Batch normalisations within the linear layer or convolution before them, in a Sequential."""
    layers: list[nn.Module] = []
    for layer in module:
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and isinstance(layers[-1], nn.Linear | nn.Conv2d):
            fuse = fusion.fuse_linear_bn_eval if isinstance(layers[-1], nn.Linear) else fusion.fuse_conv_bn_eval
            layers[-1] = fuse(layers[-1], layer)  # type: ignore[arg-type]
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def second_fused(module: Any) -> nn.Module:
    """The second batch normalisation of the residual block, within the convolution before it."""
    module.c2, module.n2 = fusion.fuse_conv_bn_eval(module.c2, module.n2), nn.Identity()
    return module


ACTIVATIONS: dict[str, nn.Module] = {
    "Tanh": nn.Tanh(), "Sigmoid": nn.Sigmoid(), "ReLU": nn.ReLU(), "LeakyReLU": nn.LeakyReLU(0.25),
    "PReLU": nn.PReLU(), "ELU": nn.ELU(0.75), "CELU": nn.CELU(0.5), "GELU": nn.GELU(),
    "GELU, tanh": nn.GELU("tanh"), "SiLU": nn.SiLU(), "Mish": nn.Mish(), "Softplus": nn.Softplus(),
    "Softplus, β = 2": nn.Softplus(2), "Softsign": nn.Softsign(),
    "Hardtanh": nn.Hardtanh(), "ReLU6": nn.ReLU6(), "LogSigmoid": nn.LogSigmoid(), "Tanhshrink": nn.Tanhshrink(),
    "Softshrink": nn.Softshrink(0.25), "Hardshrink": nn.Hardshrink(0.25), "Softmin": nn.Softmin(1),
    "Sine": Plain(torch.sin),
}  # fmt: skip


def _heads(s: Any, x: Any) -> Any:
    z = torch.tanh(s.a(x))
    return s.mean(z), F.softplus(s.scale(z)), torch.softmax(s.classes(z), -1)


def _dense(s: Any, x: Any) -> Any:
    for layer in s.layers:
        x = torch.cat([x, F.silu(layer(x))], 1)
    return s.o(x)


def _highway(s: Any, x: Any) -> Any:
    t = torch.sigmoid(s.t(x))
    return s.o(t * torch.tanh(s.h(x)) + (1 - t) * x)


def _swiglu(s: Any, x: Any) -> Any:
    u, v = s.a(x).chunk(2, -1)
    return s.o(F.silu(u) * v)


def _experts(s: Any, x: Any) -> Any:
    y = torch.stack([torch.tanh(e(x)) for e in s.e], 1)
    return torch.softmax((torch.softmax(s.g(x), -1)[:, :, None] * y).sum(1), -1)


def _euler(s: Any, x: Any) -> Any:
    for _ in range(4):
        x = x + 0.25 * torch.tanh(s.f(x))
    return s.o(x)


def _hyper(s: Any, x: Any, u: Any) -> Any:
    w = s.h(u).reshape(-1, 4, 5)
    return s.o(torch.tanh((w @ x[:, :, None]).squeeze(-1)))


def _attention(s: Any, x: Any) -> Any:
    scores = torch.softmax(s.q(x) @ s.k(x).transpose(1, 2) / 2, -1)
    return s.o((scores @ s.v(x)).sum(1))


def _mixer(s: Any, x: Any) -> Any:
    x = x + torch.tanh(s.t(x.transpose(1, 2))).transpose(1, 2)
    return s.o(F.silu(s.c(x)).mean(1))


def _class_token(s: Any, x: Any) -> Any:
    z = torch.cat([s.token.expand(x.shape[0], 1, 4), s.a(x)], 1) + s.position
    return s.o(s.e(z)[:, 0])


def _cells(s: Any, x: Any) -> Any:
    h = torch.zeros(x.shape[0], 4, dtype=x.dtype)
    for t in range(3):
        h = s.c(x[:, t], h)
    return s.o(h)


def _unet(s: Any, x: Any) -> Any:
    z = torch.tanh(s.a(x))
    return s.o(torch.cat([torch.tanh(s.up(torch.tanh(s.down(z)))), z], 1))


def _residual_block(s: Any, x: Any) -> Any:
    z = s.c1(x)
    return s.o((z + s.n2(s.c2(torch.relu(s.n1(z))))).mean((2, 3)))


def _squeeze(s: Any, x: Any) -> Any:
    z = torch.tanh(s.c(x))
    return s.o((z * torch.sigmoid(s.s(z.mean((2, 3))))[:, :, None, None]).flatten(1))


def _recurrent(kind: Any, **keys: Any) -> Callable[[], nn.Module]:
    width = 4 * (1 + keys.get("bidirectional", False))
    return lambda: Net(
        lambda s, x: s.o(s.r(x)[0][:, -1]), r=kind(3, 4, batch_first=True, **keys), o=nn.Linear(width, 3)
    )


def _image(*layers: nn.Module, width: int) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*layers, nn.Flatten(), nn.Linear(width, 3))


L, IMAGE, STEPS = nn.Linear, ((2, 6, 6),), ((5, 3),)
CASES = [
    *[Case("activations", name, with_activation(h)) for name, h in ACTIVATIONS.items()],
    *[Case("activations", kind.__name__, with_activation(kind()),
           twins=(replaced(kind, lambda _, h=h: Plain(h)), *others))
      for kind, h, others in ((nn.Hardsigmoid, hardsigmoid, ()), (nn.Hardswish, lambda x: x * hardsigmoid(x), (same,)),
                              (nn.SELU, lambda x: GAMMA * torch.where(x > 0, x, ALPHA * torch.expm1(x)), ()))],
    Case("activations", "PReLU, a slope a unit", lambda: nn.Sequential(L(5, 6), nn.PReLU(6), L(6, 3))),
    Case("activations", "Maxout", lambda: Net(lambda s, x: s.o(s.a(x).unflatten(1, (4, 3)).max(-1).values),
                                              a=L(5, 12), o=L(4, 3))),
    Case("outputs", "softmax", lambda: nn.Sequential(L(5, 6), nn.Tanh(), L(6, 3), nn.Softmax(1)), ends="probabilities"),
    Case("outputs", "log-softmax", lambda: nn.Sequential(L(5, 6), nn.Tanh(), L(6, 3), nn.LogSoftmax(1)),
         ends="log-probabilities"),
    Case("outputs", "sigmoids", lambda: nn.Sequential(L(5, 6), nn.Tanh(), L(6, 3), nn.Sigmoid()), ends="sigmoids"),
    Case("outputs", "one sigmoid, (N,)", lambda: Net(lambda s, x: torch.sigmoid(s.o(torch.tanh(s.a(x)))).squeeze(-1),
                                                     a=L(5, 6), o=L(6, 1)), ends="sigmoids"),
    Case("outputs", "one logit", lambda: nn.Sequential(L(5, 6), nn.Tanh(), L(6, 1)), ends="log-odds"),
    Case("outputs", "three heads", lambda: Net(_heads, a=L(5, 6), mean=L(6, 2), scale=L(6, 2), classes=L(6, 3)),
         ends=None),
    Case("layers", "none hidden", lambda: L(5, 3)),
    Case("layers", "no biases", lambda: nn.Sequential(L(5, 6, bias=False), nn.Tanh(), L(6, 3, bias=False))),
    Case("layers", "deep", lambda: nn.Sequential(*[m for _ in range(6) for m in (L(5, 5), nn.Tanh())], L(5, 3))),
    Case("layers", "autoencoder", lambda: nn.Sequential(L(5, 4), nn.Tanh(), L(4, 2), nn.Tanh(), L(2, 4), nn.Tanh(),
                                                        L(4, 5)), ends=None),
    Case("layers", "dropout", lambda: nn.Sequential(L(5, 6), nn.Dropout(), nn.Tanh(), L(6, 3))),
    Case("layers", "of every token", lambda: nn.Sequential(L(5, 4), nn.Tanh(), L(4, 3)), ((3, 5),), None),
    Case("layers", "sines of coordinates", lambda: nn.Sequential(L(2, 8), Plain(torch.sin), L(8, 8), Plain(torch.sin),
                                                                 L(8, 1)), ((2,),), None),
    Case("layers", "low rank", lambda: Net(lambda s, x: s.o(torch.tanh(x @ (s.u @ s.v))), u=parameter(5, 2),
                                           v=parameter(2, 6), o=L(6, 3))),
    Case("layers", "bilinear", lambda: Net(lambda s, x, u: s.o(torch.tanh(s.b(x, u))), b=nn.Bilinear(5, 3, 4),
                                           o=L(4, 3)), ((5,), (3,))),
    Case("topologies", "skip", lambda: Net(lambda s, x: s.o(torch.tanh(s.a(x)) + x), a=L(5, 5), o=L(5, 3))),
    Case("topologies", "concatenation", lambda: Net(lambda s, x: s.o(torch.cat([torch.tanh(s.a(x)), torch.sin(s.b(x)),
         x], -1)), a=L(5, 4), b=L(5, 3), o=L(12, 3))),
    Case("topologies", "dense block", lambda: Net(_dense, layers=nn.ModuleList([L(5, 3), L(8, 3), L(11, 3)]),
                                                  o=L(14, 3))),
    Case("topologies", "Euler steps, shared", lambda: Net(_euler, f=L(5, 5), o=L(5, 3))),
    Case("topologies", "siamese", lambda: Net(lambda s, x: s.o(torch.tanh(s.a(x[:, :2])) - torch.tanh(s.a(x[:, 2:4]))),
                                              a=L(2, 6), o=L(6, 3))),
    Case("topologies", "tied autoencoder", lambda: Net(lambda s, x: F.linear(torch.tanh(F.linear(x, s.w, s.b)),
         s.w.t(), s.c), w=parameter(3, 5), b=parameter(3), c=parameter(5)), ends=None),
    Case("topologies", "two inputs", lambda: Net(lambda s, x, u: s.o(torch.tanh(s.a(x) + s.b(u))), a=L(5, 4),
                                                 b=L(3, 4), o=L(4, 3)), ((5,), (3,))),
    Case("topologies", "operator network", lambda: Net(lambda s, x, u: (torch.tanh(s.a(x)) * torch.tanh(s.b(u))).sum(
        1, keepdim=True), a=L(5, 4), b=L(2, 4)), ((5,), (2,)), None),
    Case("topologies", "hypernetwork", lambda: Net(_hyper, h=L(2, 20), o=L(4, 3)), ((5,), (2,))),
    Case("topologies", "embedding", lambda: Net(lambda s, x, i: s.o(torch.tanh(s.a(x) + s.e(i))),
                                                e=nn.Embedding(CLASSES, 4), a=L(5, 4), o=L(4, 3)), ((5,), None)),
    Case("gates", "highway", lambda: Net(_highway, h=L(5, 5), t=L(5, 5), o=L(5, 3))),
    Case("gates", "GLU", lambda: nn.Sequential(L(5, 12), nn.GLU(1), L(6, 3))),
    Case("gates", "SwiGLU", lambda: Net(_swiglu, a=L(5, 12), o=L(6, 3))),
    Case("gates", "mixture of experts", lambda: Net(_experts, g=L(5, 4), e=nn.ModuleList([L(5, 3) for _ in range(4)])),
         ends="probabilities"),
    Case("gates", "layer scale", lambda: Net(lambda s, x: s.o(x + s.g * torch.tanh(s.a(x))), a=L(5, 5),
                                             g=parameter(5), o=L(5, 3))),
    Case("gates", "gain and shift, scalars", lambda: Net(lambda s, x: s.o(torch.tanh(s.g * s.a(x))) + s.b, a=L(5, 6),
                                                         g=parameter(), b=parameter(), o=L(6, 3))),
    Case("gates", "radial basis functions", lambda: Net(lambda s, x: s.o(torch.exp(-((x[:, None] - s.c) ** 2).sum(-1)
         / 4)), c=parameter(6, 5), o=L(6, 3))),
    Case("normalisations", "layer", lambda: nn.Sequential(L(5, 6), nn.LayerNorm(6, EPS), nn.Tanh(), L(6, 3))),
    Case("normalisations", "batch", lambda: nn.Sequential(L(5, 6), nn.BatchNorm1d(6, EPS), nn.Tanh(), L(6, 3)),
         twins=(fused, same)),
    Case("normalisations", "batch, of points", lambda: nn.Sequential(nn.BatchNorm1d(5, EPS), L(5, 6), nn.Tanh(),
                                                                     L(6, 3))),
    Case("normalisations", "group", lambda: nn.Sequential(L(5, 6), nn.GroupNorm(2, 6, EPS), nn.Tanh(), L(6, 3))),
    Case("normalisations", "instance", _image(nn.Conv2d(2, 3, 3), nn.InstanceNorm2d(3, EPS, affine=True), nn.Tanh(),
                                              width=48), IMAGE),
    Case("normalisations", "root mean square", lambda: nn.Sequential(L(5, 6), nn.RMSNorm(6, EPS), nn.Tanh(), L(6, 3))),
    Case("normalisations", "to length one", lambda: Net(lambda s, x: s.o(F.normalize(s.a(x), dim=1)), a=L(5, 6),
                                                        o=L(6, 3))),
    Case("normalisations", "of weights", lambda: nn.Sequential(parametrizations.weight_norm(L(5, 6)), nn.Tanh(),
         parametrizations.weight_norm(L(6, 3))), twins=tuple(replaced(nn.Linear, how) for how in
                                                                    (multiplied_out, spelled_out))),
    Case("convolutions", "1-D, dilated", _image(nn.Conv1d(2, 3, 3, dilation=2), nn.Tanh(), width=12), ((2, 8),)),
    Case("convolutions", "2-D, strided", _image(nn.Conv2d(2, 3, 3, 2, 1), nn.Tanh(), nn.Conv2d(3, 2, 2), nn.Tanh(),
                                                width=8), IMAGE),
    Case("convolutions", "3-D", _image(nn.Conv3d(1, 2, 2), nn.Tanh(), width=16), ((1, 3, 3, 3),)),
    Case("convolutions", "in groups", _image(nn.Conv2d(2, 4, 3, groups=2), nn.Tanh(), nn.Conv2d(4, 2, 1), nn.Tanh(),
                                             width=32), IMAGE),
    *[Case("convolutions", f"padding {mode}", _image(nn.Conv2d(2, 2, 3, padding=1, padding_mode=mode), nn.Tanh(),
                                                     nn.AvgPool2d(2), width=18), IMAGE)
      for mode in ("reflect", "replicate", "circular")],
    Case("convolutions", "transposed", lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, 3, 2, 1, 1), nn.Tanh(),
                                                             nn.Conv2d(2, 1, 3), nn.Flatten(), L(16, 3)), ((2, 3, 3),)),
    Case("convolutions", "transposed, 1-D, in groups", _image(nn.ConvTranspose1d(2, 4, 3, groups=2), nn.Tanh(),
                                                              width=24), ((2, 4),)),
    Case("convolutions", "encoder and decoder, skip", lambda: Net(_unet, a=nn.Conv2d(1, 2, 3, padding=1),
         down=nn.Conv2d(2, 2, 2, 2), up=nn.ConvTranspose2d(2, 2, 2, 2), o=nn.Conv2d(4, 1, 1)), ((1, 4, 4),), None),
    Case("convolutions", "residual block, batch norm", lambda: Net(_residual_block, c1=nn.Conv2d(2, 3, 3),
         n1=nn.BatchNorm2d(3, EPS), c2=nn.Conv2d(3, 3, 3, padding=1), n2=nn.BatchNorm2d(3, EPS), o=L(3, 3)), IMAGE,
         twins=(second_fused, same)),
    Case("convolutions", "batch norm behind", _image(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, EPS), nn.ReLU(), width=48),
         IMAGE, twins=(fused, same)),
    Case("convolutions", "squeeze and excite", lambda: Net(_squeeze, c=nn.Conv2d(2, 3, 3), s=L(3, 3), o=L(48, 3)),
         IMAGE),
    *[Case("pooling", name, _image(nn.Conv2d(2, 3, 3), nn.Tanh(), pool, width=width), IMAGE) for name, pool, width in (
        ("maximum", nn.MaxPool2d(2), 12), ("maximum, padded, strided", nn.MaxPool2d(3, 2, 1), 12),
        ("maximum, ceiling", nn.MaxPool2d(3, 2, ceil_mode=True), 12), ("average, padded", nn.AvgPool2d(3, 2, 1), 12),
        ("average, padding not counted", nn.AvgPool2d(3, 2, 1, count_include_pad=False), 12),
        ("global average", nn.AdaptiveAvgPool2d(1), 3), ("adaptive average", nn.AdaptiveAvgPool2d(2), 12),
        ("global maximum", nn.AdaptiveMaxPool2d(1), 3), ("power 2", nn.LPPool2d(2, 2), 12),
        ("upsampling, nearest", nn.Upsample(scale_factor=2), 192),
        ("upsampling, bilinear", nn.Upsample(scale_factor=2, mode="bilinear"), 192))],
    Case("pooling", "pixel shuffle", lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.PixelShuffle(2),
                                                           nn.Conv2d(1, 1, 4, 4), nn.Flatten()), IMAGE),
    Case("sequences", "RNN", _recurrent(nn.RNN), STEPS),
    Case("sequences", "LSTM", _recurrent(nn.LSTM), STEPS),
    Case("sequences", "GRU", _recurrent(nn.GRU), STEPS),
    Case("sequences", "LSTM, two ways", _recurrent(nn.LSTM, bidirectional=True), STEPS),
    Case("sequences", "GRU, two layers, two ways", _recurrent(nn.GRU, num_layers=2, bidirectional=True), STEPS),
    Case("sequences", "GRU cells", lambda: Net(_cells, c=nn.GRUCell(3, 4), o=L(4, 3)), STEPS),
    Case("sequences", "attention", lambda: Net(_attention, q=L(3, 4), k=L(3, 4), v=L(3, 5), o=L(5, 3)), STEPS),
    Case("sequences", "attention of four heads", lambda: Net(lambda s, x: s.o(s.a(x, x, x)[0].mean(1)),
         a=nn.MultiheadAttention(4, 4, batch_first=True), o=L(4, 3)), ((3, 4),)),
    Case("sequences", "mixer", lambda: Net(_mixer, t=L(5, 5), c=L(3, 4), o=L(4, 3)), STEPS),
    *[Case("sequences", f"transformer, {name}", lambda first=first, act=act: Net(lambda s, x: s.o(s.e(x).mean(1)),
        e=nn.TransformerEncoderLayer(4, 4, 6, activation=act, norm_first=first, batch_first=True, layer_norm_eps=EPS),
        o=L(4, 3)), ((3, 4),)) for name, first, act in (("norm last", False, "relu"),
                                                        ("norm first, GELU", True, "gelu"))],
    Case("sequences", "transformer, class token", lambda: Net(_class_token, a=L(3, 4), token=parameter(1, 1, 4),
         position=parameter(1, 6, 4), e=nn.TransformerEncoderLayer(4, 4, 5, batch_first=True, layer_norm_eps=EPS),
         o=L(4, 3)), STEPS),
]  # fmt: skip
