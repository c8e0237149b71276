"""Whatever may take long says how far it is, and ends at the whole of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jachess
from jachess.publish.difference import difference
from jachess.result import streams
from jachess.result.influence import influence
from jachess.result.open import Result
from jachess.result.pruning import brain_surgeon
from jachess.result.streams import Passes
from jachess.result.validation import validate
from jachess.result.woodbury import woodbury_inverse

DAMPING = 1e4
ANALYSES: dict[str, Callable[[Result], Any]] = {
    "norms": lambda r: r.hessian.pair_norms(),
    "largest": lambda r: r.hessian.largest(3),
    "distances": lambda r: r.hessian.distances(),
    "product": lambda r: r.hessian.product(np.ones(229)),
    "eigenpairs": lambda r: r.hessian.eigenpairs(2),
    "smallest": lambda r: r.hessian.eigenpairs(2, which="smallest"),
    "density": lambda r: r.hessian.density(probes=2, steps=4),
    "eigenvalues": lambda r: r.hessian.eigenvalues(),
    "cholesky": lambda r: r.hessian.cholesky(damping=DAMPING),
    "solve": lambda r: r.hessian.cholesky(damping=DAMPING).solve(np.ones(229)),
    "inverse": lambda r: r.hessian.cholesky(damping=DAMPING).inverse(),
    "surgeon": lambda r: brain_surgeon(r.hessian.cholesky(damping=DAMPING), np.ones(229)),
    "influence": lambda r: influence(r.hessian.cholesky(damping=DAMPING), np.ones((3, 229)), np.ones((2, 229))),
    "posterior": lambda r: r.hessian.laplace(np.ones(229), prior_precision=DAMPING).samples(3),
    "Newton step": lambda r: r.hessian.newton_step(np.ones(229), damping=DAMPING),
    "Woodbury": lambda r: woodbury_inverse(np.ones((2, 1, 229)), damping=1.0),
    "sensitivity": lambda r: r.jacobian.sensitivity(),
    "singular values": lambda r: r.jacobian.singular_values(1),
    "directions": lambda r: r.jacobian.active_subspace(2),
    "propagation": lambda r: r.jacobian.propagate(1.0),
    "validation": lambda r: validate(r.path),
    "comparison": lambda r: difference(r, r),
}


@pytest.mark.parametrize("name", ANALYSES)
def test_it_says_how_far_it_is(
    wide: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    ended = list[Passes]()
    monkeypatch.setattr(streams, "PATIENCE", -1)
    monkeypatch.setattr(Passes, "close", lambda passes: ended.append(passes))
    ANALYSES[name](jachess.open_result(wide / "both.zarr", memory="16MiB"))
    assert capsys.readouterr().err
    assert ended
    assert all(passes.done == passes.n_pieces * passes.n_passes for passes in ended if passes.n_passes)


def test_the_full_spectrum_is_announced(
    wide: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """LAPACK says nothing on the way."""
    monkeypatch.setattr("jachess.result.spectrum.QUICK", 100)
    jachess.open_result(wide / "both.zarr").hessian.eigenvalues()
    assert capsys.readouterr().err == "all 229 eigenvalues: by LAPACK, which does not say how far it is\n"
