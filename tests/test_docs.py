"""Pages that are written from the code agree with it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_the_list_of_operations_is_that_of_the_table() -> None:
    spec = importlib.util.spec_from_file_location("operations", DOCS / "operations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "operations.md").read_text(encoding="utf-8") == module.page()
