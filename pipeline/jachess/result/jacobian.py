"""Jacobians of a result with all that can be asked of them."""

from __future__ import annotations

from jachess.result.pointwise import PointwiseArray
from jachess.result.sensitivity import active_subspace, mean_gram, propagate, sensitivity, singular_values


class Jacobian(PointwiseArray):
    """The stored Jacobians (N, K, D): parts by name, and analyses as methods, each one pass over the points."""

    sensitivity = sensitivity
    singular_values = singular_values
    mean_gram = mean_gram
    active_subspace = active_subspace
    propagate = propagate
