"""The report is one small page with everything in it, and its plots are of what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import jachess
from jachess.batch.job import QUANTITIES, job_of
from jachess.batch.run import run_job
from jachess.cli import main
from jachess.errors import InputError
from jachess.result import report as report_module
from jachess.result.report import report
from tests.result.conftest import Stored

pytest.importorskip("matplotlib")

from jachess.result import plots
from jachess.result.plots.style import as_image, image_shape

HEADINGS = ["Checks", "The Hessian in numbers", "Sensitivity of outputs to inputs", "Rows of Jacobians",
            "Singular values", "Leading directions", "Hessian by weight tensors", "Pairs of weight tensors",
            "Spectrum of the Hessian"]  # fmt: skip


MORE = [name for name in QUANTITIES if name not in ("outputs", "jacobian", "gradient", "hessian")]


class Tags(HTMLParser):
    """Counts open tags and gathers sources."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_small_and_alone(wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "page.html"
    assert main(["report", str(wide / "upper.zarr"), "-o", str(file)]) == 0
    assert str(file) in capsys.readouterr().out
    page = file.read_text(encoding="utf-8")
    assert len(page.encode()) < 2_000_000
    assert re.findall(r"<h2>(.*?)</h2>", page) == HEADINGS
    assert "verified: every row agrees" in page
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    assert len(tags.sources) == 7
    assert all(source.startswith("data:image/png;base64,") for source in tags.sources)


def test_what_is_missing_is_not_shown(wide: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(wide / "both.zarr", tmp_path / "copy.zarr"))
    (copy / "hessian" / "c" / "0" / "1").unlink()
    page = report(jachess.open_result(copy))
    assert "hessian: 2 of 3 blocks" in page
    assert "Spectrum" not in page
    assert "Singular values" in page


@pytest.mark.slow
def test_a_page_that_is_too_large_is_drawn_coarser(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = jachess.open_result(wide / "both.zarr")
    monkeypatch.setattr(report_module, "_of_hessian", lambda result: iter(()))
    monkeypatch.setattr(report_module, "RESOLUTIONS", (50, 30))
    size = len(report(result).encode())
    monkeypatch.setattr(report_module, "LARGEST", size - 1)
    assert len(report(result).encode()) < size
    monkeypatch.setattr(report_module, "LARGEST", 10_000)
    with pytest.raises(InputError, match="larger than"):
        report(result)


def test_the_page_needs_matplotlib_and_a_folder(
    wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(wide / "both.zarr"), "-o", str(tmp_path / "absent" / "page.html")]) == 2
    assert "mkdir -p" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["report", str(wide / "both.zarr"), "-o", str(tmp_path / "page.html")]) == 2
    assert "pip install 'jachess[report]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_each_quantity_has_its_place(wide: Path, tmp_path: Path) -> None:
    """All that a job computes is drawn, or the page says how to see it."""
    files = {name: str(wide / f"{name}.npy") for name in ("points", "targets")}
    run_job(job_of({**files, "network": str(wide / "model.onnx"), "error": "cross-entropy", "workers": 1,
                    "compute": MORE, "out": str(tmp_path / "out.zarr")}))  # fmt: skip
    page = report(jachess.open_result(tmp_path / "out.zarr"))
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Checks",
        "Sensitivity of outputs to weights",
        *(
            heading
            for form in ("Outer-product form", "Blocks of the Hessian", "Blocks of the outer-product form")
            for heading in (f"{form}, by weight tensors", f"{form}: spectrum")
        ),
        "Diagonal of the Hessian",
        "Diagonal of the outer-product form",
    ]
    assert "input_hessian: ask for parts" in page


PLOTS: dict[str, Callable[[Stored], object]] = {
    "sensitivity": lambda s: plots.plot_sensitivity(s.result.jacobian),
    "rows": lambda s: plots.plot_rows(s.result.jacobian, [0, 149]),
    "singular values": lambda s: plots.plot_singular_values(s.result.jacobian),
    "directions": lambda s: plots.plot_directions(s.result.jacobian, 3),
    "picture": lambda s: plots.plot_picture(s.result.hessian),
    "pair norms": lambda s: plots.plot_pair_norms(s.result.hessian),
    "spectrum": lambda s: plots.plot_spectrum(s.result.hessian, steps=20),
}


@pytest.mark.parametrize("name", PLOTS)
def test_plots_name_their_axes(stored: Stored, name: str) -> None:
    figure = PLOTS[name](stored)
    texts = [axes.get_xlabel() + axes.get_ylabel() + axes.get_title() for axes in figure.axes]  # type: ignore[attr-defined]
    assert any(texts)


def test_a_picture_keeps_to_the_borders_of_tensors(stored: Stored) -> None:
    mesh = plots.plot_picture(stored.result.hessian).axes[0].collections[0]
    shown = np.asarray(mesh.get_array())
    assert shown.shape == (229, 229)
    np.testing.assert_array_equal(np.ma.filled(shown, 0), np.abs(stored.hessian))


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((64,), (8, 8)),
        ((63,), None),
        ((4,), None),
        ((28, 28), (28, 28)),
        ((1, 28, 20), (28, 20)),
        ((3, 8, 8), (8, 8)),
        ((8, 3), None),
        ((5, 8, 8), None),
    ],
)
def test_images_are_recognised(shape: tuple[int, ...], size: tuple[int, int] | None) -> None:
    assert image_shape(shape) == size


def test_of_several_channels_the_largest_number_is_shown() -> None:
    row = np.arange(-6.0, 6).reshape(3, 2, 2)
    np.testing.assert_array_equal(as_image(row.ravel(), (2, 2)), [[-6, -5], [-4, 5]])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium")
def test_a_browser_renders_the_page(wide: Path, tmp_path: Path) -> None:
    """All pictures are there with their sizes, and nothing is wider than the window."""
    page = report(jachess.open_result(wide / "both.zarr"))
    script = (
        "<script>window.onload = () => { document.title = [...document.images].every(i => i.naturalWidth > 200)"
        " && document.documentElement.scrollWidth <= innerWidth ? 'rendered' : 'broken' }</script>"
    )
    (tmp_path / "page.html").write_text(page.replace("</body>", script + "</body>"), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
             "--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path}/user",
             "--window-size=500,900", "--virtual-time-budget=5000", "--dump-dom"]  # fmt: skip
    done = subprocess.run(
        ["chromium", *flags, f"file://{tmp_path}/page.html"], capture_output=True, text=True, timeout=120, check=True
    )
    assert "<title>rendered</title>" in done.stdout
