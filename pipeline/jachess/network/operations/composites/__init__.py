"""Operations that are graphs of others."""

from jachess.network.operations.composites.attention import ATTENTION
from jachess.network.operations.composites.branches import IF
from jachess.network.operations.composites.composite import Composite, Graph
from jachess.network.operations.composites.linear_models import LINEAR_MODELS
from jachess.network.operations.composites.normalisation import NORMALISATION
from jachess.network.operations.composites.others import OTHERS
from jachess.network.operations.composites.recurrence import RECURRENCE

COMPOSITES: dict[str, Composite] = {
    record.name: record
    for records in (NORMALISATION, ATTENTION, RECURRENCE, LINEAR_MODELS, OTHERS, (IF,))
    for record in records
}

__all__ = ["COMPOSITES", "Composite", "Graph"]
