"""The command ``jachess``: a thin skin over the library."""

from jachess.cli.main import main

__all__ = ["main"]
