"""Random bad input: some seconds of each kind; ``python -m tests.fuzz networks`` goes on for as long as one likes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = {"jobs": 200, "networks": 60, "points": 100, "sources": 60, "stores": 10}
TIMES = 40
ROOT = Path(__file__).parents[2]


def fuzzed(target: str, *arguments: str) -> None:
    """In a process of its own, whose memory is bounded, and which bad input may kill."""
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", target, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("target", EXAMPLES)
def test_bad_input_is_refused_in_words(target: str) -> None:
    fuzzed(target, "--examples", str(EXAMPLES[target]))


@pytest.mark.slow
@pytest.mark.parametrize("target", EXAMPLES)
def test_much_bad_input_is_refused_in_words(target: str) -> None:
    fuzzed(target, "--examples", str(TIMES * EXAMPLES[target]), "--seconds", "60", "--seed", "1000")
