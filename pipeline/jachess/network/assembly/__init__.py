"""From nodes and tensors, wherever they come from, to a network."""

from jachess.network.assembly.assemble import Choice, Parts, assemble

__all__ = ["Choice", "Parts", "assemble"]
