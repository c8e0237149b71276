"""One page about a result, in one file that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import PurePath
from typing import Any

from jachess.batch.planning import disk_bytes, size
from jachess.errors import InputError
from jachess.result.labelled import LabelledArray
from jachess.result.open import Result
from jachess.result.page import HEAD, TAIL
from jachess.result.plots.diagonal import plot_diagonal
from jachess.result.plots.hessian import plot_pair_norms, plot_picture, plot_spectrum
from jachess.result.plots.jacobian import plot_directions, plot_rows, plot_sensitivity, plot_singular_values
from jachess.result.plots.style import figure, image_shape
from jachess.result.symmetric import SymmetricMatrix

LARGEST = 2_000_000
"""Bytes that the page may have."""
RESOLUTIONS = (110, 80, 60, 45)
"""Dots an inch, in turn, until the page is small enough."""

_FORMS = {"outer_product": "Outer-product form", "block_diagonal": "Blocks of the Hessian",
          "outer_product_blocks": "Blocks of the outer-product form"}  # fmt: skip
_DIAGONALS = {"diagonal": "Diagonal of the Hessian", "outer_product_diagonal": "Diagonal of the outer-product form"}
_NOT_DRAWN = ("input_hessian",)

Section = tuple[str, str, Callable[[], Any]]
"""Heading, caption, and what draws the figure."""


def report(result: Result) -> str:
    """The page, HTML with its pictures in it, of at most `LARGEST` bytes.

    Raises
    ------
    InputError
        If matplotlib is not installed, or an analysis does not fit the memory.
    """
    figure(1, 1)  # refuses before any work, if there is no matplotlib
    complete = {name for name, (done, total) in result.progress().items() if done == total}
    summary = _summary(result, complete)
    drawings = [(heading, caption, draw()) for heading, caption, draw in _sections(result, complete)]
    for resolution in RESOLUTIONS:
        figures = (_figure(heading, caption, drawing, resolution) for heading, caption, drawing in drawings)
        page = "".join([HEAD.format(title=html.escape(PurePath(result.path).name)), summary, *figures, TAIL])
        if len(page.encode()) <= LARGEST:
            return page
    raise InputError(f"report: the page is larger than {LARGEST:,} bytes.")


def _sections(result: Result, complete: Collection[str]) -> Iterator[Section]:
    if "jacobian" in complete:
        yield from _of_jacobian(result)
    if "weight_jacobian" in complete:
        yield (
            "Sensitivity of outputs to weights",
            "Root mean square of ∂y/∂w over all points; where weights are many, each column is the largest of some.",
            lambda: plot_sensitivity(result.weight_jacobian),
        )
    if "hessian" in complete:
        yield from _of_hessian(result)
    for name, heading in _FORMS.items():
        if name in complete:
            yield from _of_form(result[name], heading)
    for name, heading in _DIAGONALS.items():
        if name in complete:
            yield (
                heading,
                "By weight tensors, on an axis that is linear about zero and logarithmic further out.",
                partial(plot_diagonal, result[name]),
            )


def _of_form(matrix: LabelledArray, heading: str) -> Iterator[Section]:
    assert isinstance(matrix, SymmetricMatrix)
    yield (
        f"{heading}, by weight tensors",
        "Each pixel is the largest magnitude of the elements that it stands for; white is exactly zero.",
        lambda: plot_picture(matrix),
    )
    yield (
        f"{heading}: spectrum",
        "Left: the density of its eigenvalues. Right: the largest ones.",
        lambda: plot_spectrum(matrix),
    )


def _of_jacobian(result: Result) -> Iterator[Section]:
    jacobian = result.jacobian
    image = image_shape(jacobian.axes[2].shape)
    shown = f" Inputs are shown as images of {image[0]} × {image[1]}." if image else ""
    yield (
        "Sensitivity of outputs to inputs",
        f"Root mean square of ∂y/∂x over all points.{shown}",
        lambda: plot_sensitivity(jacobian),
    )
    yield (
        "Rows of Jacobians",
        "∂y/∂x at the point of the smallest, the median and the largest sensitivity; red raises the output, blue "
        f"lowers it.{shown}",
        lambda: plot_rows(jacobian),
    )
    yield (
        "Singular values",
        "Left: how they spread over the points. Right: the largest of each point, by which small changes of the inputs "
        "are magnified at most.",
        lambda: plot_singular_values(jacobian),
    )
    yield (
        "Leading directions",
        "Directions of the inputs along which the outputs change most: eigenvectors of the average of JᵀJ.",
        lambda: plot_directions(jacobian),
    )


def _of_hessian(result: Result) -> Iterator[Section]:
    hessian = result.hessian
    yield (
        "Hessian by weight tensors",
        "Each pixel is the largest magnitude of the elements that it stands for; small tensors are enlarged; white is "
        "exactly zero.",
        lambda: plot_picture(hessian),
    )
    yield (
        "Pairs of weight tensors",
        "Root mean square of the elements of each block.",
        lambda: plot_pair_norms(hessian),
    )
    yield (
        "Spectrum of the Hessian",
        "Left: the density of its eigenvalues, on an axis that is linear about zero and logarithmic further out. "
        "Right: the largest ones.",
        lambda: plot_spectrum(hessian),
    )


def _figure(heading: str, caption: str, drawing: Any, resolution: int) -> str:
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=resolution)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f"<section><h2>{html.escape(heading)}</h2>\n"
        f'<figure><img alt="{html.escape(heading)}" src="data:image/png;base64,{data}">\n'
        f"<figcaption>{html.escape(caption)}</figcaption></figure></section>\n"
    )


def _summary(result: Result, complete: Collection[str]) -> str:
    plan, verdict, attributes = result.plan, result.verdict, result.store.attributes
    kind = "running" if verdict is None else "passed" if verdict.passed else "failed"
    sign = {"running": "…", "passed": "✓", "failed": "✗"}[kind]
    sentence = "still incomplete: no verdict yet" if verdict is None else verdict.sentence()
    page = f'<p class="verdict {kind}"><span>{sign}</span> {html.escape(sentence)}</p>\n'
    job = attributes["job"]
    facts = [
        ("quantities", ", ".join(plan.quantities)),
        ("points", f"{plan.n_points:,} with {plan.n_inputs:,} inputs and {plan.n_outputs:,} outputs"),
        ("weights", f"{plan.n_weights:,} in {len(plan.weights):,} tensors"),
        ("error function", f"{plan.error}; {plan.reading}" if plan.error else "none"),
        ("stored as", f"{plan.dtype}, {size(disk_bytes(plan))}"),
        ("network", job["network"]),
        ("points from", ", ".join(job["points"].values())),
        ("created", attributes.get("created_time", "")),
        ("versions", ", ".join(f"{name} {version}" for name, version in attributes.get("versions", {}).items())),
    ]
    waiting = [f"{n}: {d:,} of {t:,} blocks" for n, (d, t) in result.progress().items() if n not in complete]
    waiting += [f"{n}: ask for parts of it with jachess query" for n in _NOT_DRAWN if n in complete]
    facts += [("not shown", "; ".join(waiting))] if waiting else []
    page += _table([], facts)
    if verdict is not None:
        rows = [(name, finding.summary()) for name, finding in verdict.findings.items()]
        for finding in verdict.findings.values():
            rows += [(name, f"{value:.3g}") for name, value in finding.numbers.items()]
        page += f"<h2>Checks</h2>\n{_table(['quantity', 'what the checks found'], rows)}"
    if "hessian" in complete:
        page += f"<h2>The Hessian in numbers</h2>\n{_table([], _numbers(result, complete))}"
    return f"<section>{page}</section>\n"


def _numbers(result: Result, complete: Collection[str]) -> list[tuple[str, str]]:
    hessian = result.hessian
    others = {"outer product": result.outer_product} if "outer_product" in complete else {}
    found = hessian.distances(others)
    largest = hessian.largest(1)
    names = [axis.names(which)[0] for axis, which in zip(hessian.axes, largest.indices.T, strict=True)]
    return [
        ("trace", f"{hessian.trace():.6g}"),
        ("Frobenius norm", f"{hessian.frobenius_norm():.6g}"),
        ("largest element", f"{largest.values[0]:.6g}, of {names[0]} and {names[1]}"),
        ("outside the diagonal", f"{found['diagonal'].relative:.1%} of the norm"),
        ("between tensors", f"{found['block-diagonal'].relative:.1%} of the norm"),
        *((f"not in the {name}", f"{found[name].relative:.1%} of the norm") for name in others),
    ]


def _table(head: list[str], rows: list[tuple[str, str]]) -> str:
    lines = ["<table>"]
    if head:
        lines.append("<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>")
    for first, *rest in rows:
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{html.escape(first)}</th>{cells}</tr>')
    return "\n".join([*lines, "</table>"]) + "\n"
