"""Execute docs/digits.ipynb where it lies, on the result of the quick start, and keep what it shows.

    pip install 'jachess[report,notebook]'
    jachess run workflows/digits/job.yaml
    python docs/execute.py

A test runs its cells without Jupyter, and compares what they print.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("digits.ipynb")


def main() -> None:
    """Write the notebook with its outputs, and without what differs from one execution to the next."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    notebook.metadata = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
    for cell in notebook.cells:
        cell.metadata = {}
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
