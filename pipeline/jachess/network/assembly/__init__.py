"""From nodes and tensors, wherever they come from, to a network."""

from jachess.network.assembly.assemble import Parts, assemble

__all__ = ["Parts", "assemble"]
