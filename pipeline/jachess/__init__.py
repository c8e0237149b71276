"""Exact Jacobians and Hessians of trained feed-forward networks, over whole datasets."""

from jachess.backprop.interface import gradient, hessian, hessian_vector_product, jacobian
from jachess.network.onnx import read_network

__version__ = "0.1.0"

__all__ = [
    "gradient",
    "hessian",
    "hessian_vector_product",
    "jacobian",
    "read_network",
]
