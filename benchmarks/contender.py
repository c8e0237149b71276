"""One way to compute one case, in a process of its own, which answers requests line by line.

The result is not sent, but its products with two fixed random vectors and its size: those of equal results are equal,
and an element that differs shows in both.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Case

MOST_MEMORY = 18 * 2**30
"""Bytes of address space; who wants more is said to run out of memory."""

WARM = 3.0
"""Seconds; what takes less runs once more before it is measured: who waits for a turn loses caches and memory."""


class Contender:
    """A process that computes a case in one way, and measures itself."""

    def __init__(self, python: str, peer: str, way: str, case: Case) -> None:
        self.peer, self.way = peer, way
        request = json.dumps({"peer": peer, "way": way, "case": asdict(case)})
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.contender", request],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.first = self._answer()
        self.times: list[float] = []
        self.peak = 0.0

    @property
    def alive(self) -> bool:
        return self.first is not None

    def run(self) -> None:
        """Compute once more."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        answer = self._answer()
        if answer is None:
            self.first = None
            return
        self.times.append(answer["seconds"])
        self.peak = max(self.peak, answer["peak"])

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError), self._process:
            pass

    def _answer(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else None


def _peak(reset: bool = False) -> int:
    """Bytes of this process's memory at its highest since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def _projections(result: np.ndarray) -> list[list[float]]:
    """Products of the result with random vectors on both sides, and its norm."""
    random, flat = np.random.default_rng(3), result.reshape(-1, result.shape[-1])
    right, left = random.normal(size=(flat.shape[1], 2)), random.normal(size=(flat.shape[0], 2))
    products = np.zeros((2, 2))
    scale = 0.0
    for start in range(0, len(flat), 4096):
        part = slice(start, start + 4096)
        rows = flat[part].astype(np.float64)
        products += left[part].T @ (rows @ right)
        scale += float((rows**2).sum())
    return [products.ravel().tolist(), [scale**0.5]]


def main(request: str) -> None:
    wanted = json.loads(request)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    case = Case(**{**wanted["case"], "sizes": tuple(wanted["case"]["sizes"])})
    module = importlib.import_module(f"benchmarks.peers.{wanted['peer']}")
    run = module.WAYS[case.quantity][wanted["way"]](case)
    start = time.perf_counter()
    result = run()  # compiles, and fills caches
    first = time.perf_counter() - start
    answer = {"seconds": first, "projections": _projections(result), "bytes": result.nbytes, "version": module.VERSION}
    print(json.dumps(answer), flush=True)
    del result
    for _ in sys.stdin:
        if first < WARM:
            run()
        before = _peak(reset=True)
        start = time.perf_counter()
        result = run()
        seconds = time.perf_counter() - start
        size = result.nbytes
        del result
        print(json.dumps({"seconds": seconds, "peak": _peak() - before - size}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
