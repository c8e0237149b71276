"""The weight vector w: the one place that knows how tensors lie in it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jachess.network.graph import Array, Network


def unpack(network: Network, w: Array) -> dict[str, Array]:
    """Views of the weight tensors in w, by name.

    Parameters
    ----------
    w : array (..., W)
        One weight vector, or rows of them.

    Returns
    -------
    dict of str to array (..., *shape)
    """
    lead = w.shape[:-1]
    return {weight.name: w[..., weight.slice].reshape(lead + weight.shape) for weight in network.weights}


def pack(network: Network, tensors: Mapping[str, Array], lead: tuple[int, ...] = ()) -> Array:
    """The vector (*lead, W) made of ``tensors`` (*lead, *shape); tensors that are missing count as zero."""
    w = np.zeros((*lead, network.n_weights), np.result_type(np.float64, *tensors.values()))
    for weight in network.weights:
        if weight.name in tensors:
            w[..., weight.slice] = tensors[weight.name].reshape((*tensors[weight.name].shape[: len(lead)], -1))
    return w
