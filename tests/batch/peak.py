"""A process like a worker's that computes some blocks of a store, reads them back, and says how much memory it took."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

from jachess.batch.clusters.settings import ALLOCATOR
from jachess.batch.job import SYMMETRIC
from jachess.batch.new_store import create_store
from jachess.batch.partial_sums import begin_partial_sums
from jachess.batch.prepare import Prepared
from jachess.batch.quantities import QUANTITIES, Context
from jachess.batch.quantities.dispatch import read_back_check
from jachess.batch.stages import COMPUTE, DIFFERENCES, PARTS
from jachess.batch.store import Store
from jachess.batch.tasks import read_back_blocks, write_blocks

STRIPS, ALIKE = 12, 3
"""Blocks that are computed at most: no strip perturbs as many units as another, points are as good as others."""


def peak_of(prepared: Prepared, quantity: str) -> int:
    """Bytes at the highest, for some blocks of a quantity, the first and the last among them."""
    context = Context(prepared.network, prepared.head, prepared.source, prepared.plan)
    path = Path(prepared.job.out)
    begin_partial_sums(create_store(path, prepared.plan, {}, {}))
    given = path.with_name("context.pickle")
    given.write_bytes(pickle.dumps(context))
    environment = {
        **os.environ,
        **{name: str(value) for name, value in ALLOCATOR.items()},
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    answer = subprocess.run(
        [sys.executable, "-m", "tests.batch.peak", str(given), str(path), quantity],
        cwd=Path(__file__).parent.parent.parent,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    return int(answer.stdout)


def _work(context: Context, store: Store, quantity: str) -> None:
    plan, record = context.plan, QUANTITIES[quantity]
    if record.split(plan):
        for stage in (PARTS, COMPUTE, DIFFERENCES):
            for name, block in stage.missing(store):
                write_blocks(context, store, name, [block])
        read_back_blocks(read_back_check(record, context, store.read), store, quantity, range(record.n_blocks(plan)))
        return
    last, some = record.n_blocks(plan) - 1, STRIPS if record.arrays(plan)[0].dimensions[0] == "weight_i" else ALIKE
    blocks = sorted({last * number // (some - 1) for number in range(some)})
    for block in blocks:
        write_blocks(context, store, quantity, [block])
    if len(blocks) == record.n_blocks(plan) or quantity not in SYMMETRIC:  # else rows need what others write
        check = record.stored_check(context)
        for block in blocks:
            read_back_blocks(check, store, quantity, [block])


if __name__ == "__main__":
    _work(pickle.loads(Path(sys.argv[1]).read_bytes()), Store(Path(sys.argv[2])), sys.argv[3])
    print(1024 * int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]))
