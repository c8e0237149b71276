"""Pages that are written from the code agree with it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def test_the_list_of_operations_is_that_of_the_table() -> None:
    spec = importlib.util.spec_from_file_location("operations", DOCS / "operations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "operations.md").read_text(encoding="utf-8") == module.page()


def test_the_example_of_checks_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS / "check-functions.md").read_text(encoding="utf-8")
    code, printed = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("python", "text"))
    assert code is not None
    assert printed is not None
    exec(compile(code[1], "check-functions.md", "exec"), {})

    def masked(text: str) -> str:
        """Without what hangs on the last word of rounding, and the spaces that align it."""
        return re.sub(r"-?\d[\d.e+-]*| +", " ", text)

    assert masked(capsys.readouterr().out) == masked(printed[1])
