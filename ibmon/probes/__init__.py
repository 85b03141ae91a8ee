"""Probes that several recipes share: what needs the model itself, beside its activations.

``Monitor.watch(probes={"frozen": frozen_gradients(...)})`` asks them at every snapshot, and ``updates={"dynamics":
loss_dynamics(...)}`` at the update after every snapshot. The names in quotes are those that the analyses of ibmon look for.
"""

from .ablation import Ablated, ablated, ablation
from .gradients import frozen_gradients, parallel_gradients, statistics_of
from .saliency import saliency
from .updates import activation_change, changes, loss_dynamics

__all__ = [
    "Ablated",
    "ablated",
    "ablation",
    "activation_change",
    "changes",
    "frozen_gradients",
    "loss_dynamics",
    "parallel_gradients",
    "saliency",
    "statistics_of",
]
