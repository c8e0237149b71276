"""Write docs/operations.md, the list of the operations that jachess reads and differentiates, from its table.

Run as `python docs/operations.py`; a test holds the two in step.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import jachess.network.operations as package
from jachess.network.operations import Operation
from jachess.network.operations.composites import Composite

PAGE = Path(__file__).with_suffix(".md")
HEAD = """\
# Operations

What jachess reads and differentiates, by ONNX's names, for opset 7 to 28 (below 13 by ONNX's own converter). Written
from the table of operations by `python docs/operations.py`.

* **rules**: a record of forward, tangent, cotangent and second-order rules; **flat**: evaluated exactly, with a
  derivative of zero or none; **graph**: read as a graph of others.
* **weights**: inputs (counted from 0) in which a floating tensor of the file counts as a weight, unless all are named.
* **analytic**: the rules take complex numbers, so that they are checked by the complex step too.

**Kinks and ties.** Where a function has no derivative, one convention holds in the forward, reverse and mixed
formalisms and in second derivatives: the value of the flat side (ReLU and its relatives: 0 at 0), 1 on the limits of
Clip, 0 for |x| at 0, and of tied maxima or minima the first in row-major order takes all. Operations with *kinks* say
on which piece each element lies, so that the checks leave out differences across a kink, and count them.
"""


def sections() -> list[tuple[str, list[Operation | Composite]]]:
    """The records of each module, under the first sentence of what it says of itself."""
    found = []
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        module, records = importlib.import_module(info.name), []
        for value in () if info.ispkg else vars(module).values():
            listed = value if isinstance(value, tuple) else (value,)
            records += [each for each in listed if isinstance(each, Operation | Composite)]
        if records:
            title = (module.__doc__ or "").partition("\n")[0].partition(". ")[0].rstrip(".")
            found.append((title, list({id(each): each for each in records}.values())))
    return found


def line(record: Operation | Composite) -> list[str]:
    """The cells of one operation."""
    least, most = record.inputs
    how, kinks, analytic = "graph", "", ""
    if isinstance(record, Operation):
        how = "flat" if record.tangent is None else "rules"
        kinks, analytic = "kinks" if record.sides else "", "analytic" if record.analytic else ""
    weights = ", ".join(map(str, record.weights)) if len(record.weights) < 9 else "all"
    inputs = str(least) if least == most else f"{least} to {most if most < 99 else 'any'}"
    attributes = ", ".join(f"`{name}`" for name in sorted(record.attributes))
    name = f"{record.name} ({record.domain})" if record.domain else record.name
    return [name, how, inputs, weights, kinks, analytic, attributes]


def page() -> str:
    """The text of docs/operations.md."""
    columns = ["operation", "how", "inputs", "weights", "kinks", "analytic", "attributes"]
    lines = [HEAD]
    for title, records in sections():
        lines += [f"## {title}\n", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [f"| {' | '.join(line(record))} |" for record in sorted(records, key=lambda r: r.name)] + [""]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
