"""docs/digits.ipynb shows what happens: its cells run in order, without Jupyter, and print what it has stored."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parent.parent / "docs" / "digits.ipynb"
CELLS = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def test_it_is_small_and_executed_in_order() -> None:
    assert NOTEBOOK.stat().st_size < 500_000
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    kinds = [{kind for output in cell["outputs"] for kind in output.get("data", {})} for cell in CELLS]
    assert sum("image/png" in shown for shown in kinds) >= 8


@pytest.mark.slow
def test_its_cells_run_and_print_what_is_stored(
    quick_start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib").use("agg")
    from matplotlib import pyplot

    (tmp_path / "docs").mkdir()
    (tmp_path / "workflows").symlink_to(quick_start / "workflows")
    monkeypatch.chdir(tmp_path / "docs")
    names: dict[str, Any] = {}
    for cell in CELLS:
        stored = "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)
        assert printed.getvalue() == stored
    pyplot.close("all")
    pyplot.rcdefaults()
