"""Exact Jacobians and Hessians of trained feed-forward networks, over whole datasets."""

from importlib.metadata import version

from jachess.backprop.interface import (
    gradient,
    hessian,
    hessian_vector_product,
    input_hessian,
    jacobian,
    weight_jacobian,
)
from jachess.checks.interface import check_hessian, check_jacobian
from jachess.errors import IncompleteError, InputError, JachessError
from jachess.jobs import dask_jacobian, open_result, plan, run
from jachess.network.sources import from_layers, from_sklearn, from_torch, read_network, save_network

__version__ = version("jachess")

__all__ = [
    "IncompleteError",
    "InputError",
    "JachessError",
    "check_hessian",
    "check_jacobian",
    "dask_jacobian",
    "from_layers",
    "from_sklearn",
    "from_torch",
    "gradient",
    "hessian",
    "hessian_vector_product",
    "input_hessian",
    "jacobian",
    "open_result",
    "plan",
    "read_network",
    "run",
    "save_network",
    "weight_jacobian",
]
