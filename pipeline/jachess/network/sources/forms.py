"""Files that hold a network, by their suffix: one record a form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jachess.errors import located
from jachess.network.assembly import Choice
from jachess.network.graph import Array, Network
from jachess.network.onnx import read_onnx
from jachess.network.sources.described import read_safetensors
from jachess.network.sources.keras import read_keras


@dataclass(frozen=True)
class Form:
    """A form of files.

    Attributes
    ----------
    suffix : str
    read : (path, weights, input, output) -> Network
    """

    suffix: str
    read: Callable[[Path, Choice, str | None, str | None], Network]


ONNX = Form(".onnx", read_onnx)
FORMS = {form.suffix: form for form in (ONNX, Form(".keras", read_keras), Form(".safetensors", read_safetensors))}


def read_network(
    path: str | Path,
    *,
    weights: str | Sequence[str] | Callable[[str, Array], bool] = "auto",
    input: str | None = None,
    output: str | None = None,
) -> Network:
    """Read a trained feed-forward network from a file: ONNX (opset 7 to 28), or by its suffix .keras or .safetensors.

    No code from the file is run, nothing is unpickled, and no file outside its folder is read.

    Parameters
    ----------
    path : path
        The file; of any other suffix, it is read as ONNX.
    weights : "auto", list of str, or predicate(name, array)
        Which floating tensors of the file are weights. By default those that the file says are; ONNX does not say:
        there, those that enter where weights usually stand.
    input : str, optional
        The input to differentiate with respect to; the first floating one by default.
    output : str, optional
        The output to differentiate; by default all floating ones, flattened and joined.

    Returns
    -------
    Network
        Its weights lie in the order of the file's tensors, each flattened as it is stored. Constants of type float32
        are widened exactly to float64.

    Raises
    ------
    NetworkError
        If the file is missing, damaged, hostile, or holds something that cannot be differentiated.
    """
    path = Path(path)
    with located(str(path)):
        return FORMS.get(path.suffix.lower(), ONNX).read(path, weights, input, output)
