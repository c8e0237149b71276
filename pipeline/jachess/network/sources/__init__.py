"""Where networks come from: files of several forms, and live objects of several libraries.

Each gives nodes and tensors (`jachess.network.assembly.Parts`); what they make is checked in one place. Nothing is ever
unpickled, and no code that a file brings is run.
"""

from jachess.network.sources.forms import read_network
from jachess.network.sources.layers import from_layers
from jachess.network.sources.pytorch import from_torch
from jachess.network.sources.saved import save_network
from jachess.network.sources.scikit_learn import from_sklearn

__all__ = ["from_layers", "from_sklearn", "from_torch", "read_network", "save_network"]
