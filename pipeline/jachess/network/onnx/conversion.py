"""Models of old opsets, brought to a newer one by ONNX's converter: in a process of its own, which it may crash."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import onnx

from jachess.errors import NetworkError

CONVERTED_TO = 20
PATIENCE = 300
"""Seconds that a conversion may take."""
MEMORY = 4 * 2**30
"""Bytes that the process may take, besides some copies of the model."""
_COPIES = 8
_PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[4]),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, OSError, ValueError):
    pass
import onnx, onnx.version_converter
try:
    with open(sys.argv[1], "rb") as file:
        model = onnx.load_model_from_string(file.read())
    made = onnx.version_converter.convert_version(model, int(sys.argv[3])).SerializeToString()
except Exception as error:
    sys.exit(" ".join(str(error).split()) or type(error).__name__)
with open(sys.argv[2], "wb") as file:
    file.write(made)
"""


def converted(model: Any, opset: int) -> Any:
    """The model in opset `CONVERTED_TO`.

    Raises
    ------
    NetworkError
        If it cannot be converted, or its conversion takes too long or crashes.
    """
    with tempfile.TemporaryDirectory(prefix="jachess-") as folder:
        old, new, text = Path(folder, "old.onnx"), Path(folder, "new.onnx"), model.SerializeToString()
        old.write_bytes(text)
        limit = MEMORY + _COPIES * len(text)
        command = [sys.executable, "-P", "-c", _PROGRAM, str(old), str(new), str(CONVERTED_TO), str(limit)]
        here = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            done = subprocess.run(command, env=here, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
            if done.returncode == 0:
                return onnx.load_model_from_string(new.read_bytes())
            said = done.stderr.decode(errors="replace").split("\n")
            reason = next((line for line in reversed(said) if line), "") if done.returncode > 0 else ""
            reason = reason[:300] or "ONNX's converter crashed"
        except (subprocess.TimeoutExpired, OSError) as error:
            reason = f"ONNX's converter does not end or begin: {type(error).__name__}"
    raise NetworkError(f"cannot be converted from opset {opset} ({reason}). Export it again.")
