"""The machine's own rate: one matrix product after another on each core, in cache, with one BLAS thread each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.cases import Case
from jachess.backprop.parallel import n_cores

Run = Callable[[], np.ndarray]
VERSION = f"numpy {np.__version__}"
SHAPE = (512, 512, 1024)
REPEATS = 8


def operations() -> float:
    """Floating-point operations of one run."""
    return 2.0 * np.prod(SHAPE) * REPEATS * n_cores()


def _products(case: Case) -> Run:
    rows, columns, inner = SHAPE
    random = np.random.default_rng(0)
    a, b = random.normal(size=(rows, inner)).astype(case.dtype), random.normal(size=(columns, inner)).astype(case.dtype)
    outs = [np.empty((rows, columns), case.dtype) for _ in range(n_cores())]

    def repeat(out: np.ndarray) -> None:
        for _ in range(REPEATS):
            np.matmul(a, b.T, out=out)

    def run() -> np.ndarray:
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_cores()) as threads:
            list(threads.map(repeat, outs))
        return outs[0]

    return run


WAYS = {"jacobian": {"GEMM": _products}, "hessian": {"GEMM": _products}}
