"""Networks from ONNX files."""

from jachess.network.onnx.read import read_network

__all__ = ["read_network"]
