"""Derivatives that another library has computed, kept in an archive beside what jachess reads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import jachess
from jachess.backprop.propagation import outputs
from jachess.network.graph import Array, Network

N_VECTORS = 2


def extracted(archive: Path, name: str, folder: Path) -> Path:
    """A member of an archive, in a folder."""
    with zipfile.ZipFile(archive) as opened:
        return Path(opened.extract(name, folder))


def packed(names: list[str], points: list[Array], found: Mapping[str, Any]) -> bytes:
    """Names of the weights, outputs, targets, Jacobian and gradient; the Hessian by products with random vectors."""
    kept, vectors = io.BytesIO(), np.random.default_rng(2).normal(size=(len(found["hessian"]), N_VECTORS))
    others = {key: np.asarray(value) for key, value in found.items() if key != "hessian"}
    products = np.asarray(found["hessian"]) @ vectors
    given = {f"points{i}": x for i, x in enumerate(points)}
    np.savez_compressed(kept, names=np.array(names), vectors=vectors, products=products, **others, **given)  # type: ignore[arg-type]
    return kept.getvalue()


def same_derivatives(net: Network, file: Path, accuracy: float = 1e-11) -> None:
    """Compare outputs, Jacobian, and gradient and Hessian of half the sum of squares with those that are kept."""
    with np.load(file) as kept:
        points = [kept[key] for key in sorted(kept) if key.startswith("points")]
        given: Any = points if len(points) > 1 else points[0]
        at = {"targets": kept["targets"], "error": "sum-of-squares"}
        assert [weight.name for weight in net.weights] == kept["names"].tolist()
        for found, wanted in (
            (outputs(net, tuple(points)), kept["outputs"]),
            (jachess.jacobian(net, given), kept["jacobian"]),
            (jachess.gradient(net, given, **at), kept["gradient"]),
            (jachess.hessian(net, given, **at) @ kept["vectors"], kept["products"]),
        ):
            assert np.abs(found - wanted).max() <= accuracy * np.abs(wanted).max()
