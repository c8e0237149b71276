"""Networks from ONNX models."""

from jachess.network.onnx.read import parts_of_model, read_onnx

__all__ = ["parts_of_model", "read_onnx"]
