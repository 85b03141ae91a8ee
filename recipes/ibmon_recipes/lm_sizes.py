"""How large language models are, and how they are trained, where no option says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal

import ibmon

Model = Literal["lstm", "vd-lstm", "sru", "bayes-lstm"]


@dataclass(frozen=True, slots=True)
class Size:
    """What ``--size`` stands for unless an option says otherwise.

    ``scale`` is of the uniform weights, 0 for √(3/hidden); ``largest`` the norm that gradients are cut to; ``recurrent`` the
    dropout of h_{t−1} in a VD-LSTM, ``within`` that in the layers of an SRU. With ``adam`` the learning rate is kept; else plain
    SGD descends the loss summed over the words of a segment, which is what a rate of 1 is of in Zaremba et al. (2014): they give
    ``scale`` and ``largest`` of the paper's two sizes. Of the epochs the paper says only that the rate decays fifteen times at
    most. ``fading`` is the schedule of ``annealing.Fading``.
    """

    hidden: int = 512
    layers: int = 2
    dropout: float = 0.5
    lr: float = 1.0
    epochs: int = 60
    batch: int = 20
    eta: float = 1e-4
    weight_decay: float = 0.0
    tie: bool = False
    train_words: int = 0
    adam: bool = False
    fading: bool = False
    scale: float = 0.05
    largest: float = 5.0
    recurrent: float = 0.2
    within: float = 0.0


SIZES = {
    "small": Size(
        hidden=128, dropout=0.0, lr=2e-3, epochs=3, eta=1e-3, tie=True, train_words=450_000, adam=True, scale=0.1, largest=1.0
    ),
    "medium": Size(),
    "large": Size(hidden=1500, eta=2e-4, scale=0.04, largest=10.0, recurrent=0.5),
}
SRU_UNITS = {"medium": 512, "large": 980}
"""980 are those of the authors' five layers of 24 million parameters; the paper says only how many layers there are."""


def sized(model: Model, size: Literal["small", "medium", "large"]) -> Size:
    """An SRU but for the small one is as its authors train it, with the paper's batches of 64 and its η."""
    found = SIZES[size]
    if model != "sru" or found.adam:
        return found
    return replace(
        found,
        hidden=SRU_UNITS[size],
        layers=5,
        dropout=0.7,
        within=0.2,
        epochs=300,
        batch=64,
        eta=1e-8,
        weight_decay=1e-5,
        tie=True,
        fading=True,
        scale=0.0,
        largest=5.0,
    )


def asked(model: Model, size: Literal["small", "medium", "large"], **options: Any) -> Size:
    """The size with the options that are given; None is not. Raises IbmonError for a network or training that cannot be."""
    usual = sized(model, size)
    found = replace(usual, **{name: value for name, value in options.items() if value is not None})
    if min(found.hidden, found.layers, found.batch) < 1:
        raise ibmon.IbmonError("hidden, layers and batch are 1 or more.")
    if min(found.epochs, found.train_words) < 0 or not 0 < found.lr < inf:
        raise ibmon.IbmonError("epochs and train-words are 0 or more, and lr is a number above 0.")
    if not 0 <= found.dropout < 1 or not 0 <= found.eta < inf or not 0 <= found.weight_decay < inf:
        raise ibmon.IbmonError("dropout is from 0 to below 1, and eta and weight-decay are numbers from 0 on.")
    if model != "sru" and found.layers != usual.layers:
        raise ibmon.IbmonError(f"layers are of an sru: {model} has two.")
    return found
