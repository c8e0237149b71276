"""Packages that only one way in needs: imported when it is taken."""

from __future__ import annotations

import importlib
from typing import Any

from jachess.errors import NetworkError


def needs(package: str, extra: str, where: str) -> Any:
    """The package.

    Raises
    ------
    NetworkError
        If it is not installed; says how to get it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise NetworkError(
            f"{where}: needs {package.partition('.')[0]}. Install it: pip install 'jachess[{extra}]'."
        ) from error
