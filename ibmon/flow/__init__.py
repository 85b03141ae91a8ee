"""Information flow between nodes that are recorded over time: who says first what others say later, and what that proves.

Analyses, notebooks and ``ibmon flow`` use these names alike; ``docs/flow.md`` says what they mean. Nothing here reads or writes
files. The names are resolved when they are first used, so that what draws (``ibmon.flow.figures``) imports no torch.
"""

from typing import TYPE_CHECKING

from ibmon import lazily

if TYPE_CHECKING:
    from .bottlenecks import Bottleneck, bottleneck
    from .layers import Layering, layering
    from .levels import GroupOrder, Levels, agreement, expected_order, group_order, outflow, trophic_levels
    from .matrices import Flows, Pairwise, delayed_information, entropies, flows
    from .series import Series
    from .significance import Dependence, Direction, Order, dependence, direction, order
    from .studies import Study, study
    from .surrogates import circularly_shifted, trials_shuffled
    from .transfer import transfer_by, transfer_entropy, transfer_statistic

_HOME = {
    "Bottleneck": "bottlenecks",
    "Dependence": "significance",
    "Direction": "significance",
    "Flows": "matrices",
    "GroupOrder": "levels",
    "Layering": "layers",
    "Levels": "levels",
    "Order": "significance",
    "Pairwise": "matrices",
    "Series": "series",
    "Study": "studies",
    "agreement": "levels",
    "bottleneck": "bottlenecks",
    "circularly_shifted": "surrogates",
    "delayed_information": "matrices",
    "dependence": "significance",
    "direction": "significance",
    "entropies": "matrices",
    "expected_order": "levels",
    "flows": "matrices",
    "group_order": "levels",
    "layering": "layers",
    "order": "significance",
    "outflow": "levels",
    "study": "studies",
    "transfer_by": "transfer",
    "transfer_entropy": "transfer",
    "transfer_statistic": "transfer",
    "trials_shuffled": "surrogates",
    "trophic_levels": "levels",
}

__all__ = [
    "Bottleneck",
    "Dependence",
    "Direction",
    "Flows",
    "GroupOrder",
    "Layering",
    "Levels",
    "Order",
    "Pairwise",
    "Series",
    "Study",
    "agreement",
    "bottleneck",
    "circularly_shifted",
    "delayed_information",
    "dependence",
    "direction",
    "entropies",
    "expected_order",
    "flows",
    "group_order",
    "layering",
    "order",
    "outflow",
    "study",
    "transfer_by",
    "transfer_entropy",
    "transfer_statistic",
    "trials_shuffled",
    "trophic_levels",
]

__getattr__ = lazily.names(__name__, _HOME)
