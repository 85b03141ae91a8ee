"""The Bayesian LSTM of "From Information Bottleneck to Activation Norm Penalty", section 3.1, as a language model."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

import ibmon
from ibmon.penalties import bayesian_lstm
from ibmon_recipes.language_models import LOG_VARIANCE, Gaussian, LanguageModel, Read, States
from ibmon_recipes.lstms import cells


class BayesianLSTM(nn.Module):
    """An LSTM layer whose states are drawn, h_t ~ N(μ_t, diag σ²), and handed on as drawn; ``log_variance`` is learnt.

    In evaluation h_t is μ_t. See ``ibmon.penalties.bayesian_lstm``.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(units, units)
        self.log_variance = nn.Parameter(torch.full((units,), LOG_VARIANCE))

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """h_t, μ_t and c_t of ``x``, each ``(streams, time, units)``; ``state`` are h and c ``(streams, units)``."""
        h, c = state
        found = bayesian_lstm(self.cell, x, self.log_variance, state=(h, c), sample=self.training)
        return found.h, found.mean, found.c


class BayesianLSTMs(LanguageModel):
    """A deterministic LSTM layer and a stochastic one on top of it, of as many units as the embedding has."""

    layers = 2

    def __init__(self, words: int, units: int, *, dropout: float, tie: bool, scale: float) -> None:
        super().__init__(words, units, dropout=dropout, tie=tie)
        self.layer1 = nn.LSTM(units, units, batch_first=True)
        self.layer2 = BayesianLSTM(units)
        self.start(scale)
        nn.init.constant_(self.layer2.log_variance, LOG_VARIANCE)

    @property
    def watched(self) -> dict[str, str]:
        return {"layer1.c": "layer1.c", "layer1.h": "layer1", "layer2.h": "layer2"}

    def recur(self, x: Tensor, states: States | None) -> Read:
        if states is None:
            states = ((self.zero(x, 1),) * 2, (self.zero(x),) * 2)
        first = self.dropped(x)
        hidden, last = self.layer1(first, states[0])
        second = self.dropped(hidden)
        h, mean, c = self.layer2(second, states[1])
        ibmon.tap("layer2.c", c, axes=("sample", "time", "unit"))
        return Read(
            inputs=(first, second),
            hidden=(hidden, h),
            cells=(partial(cells, self.layer1, first, hidden, states[0]), lambda: c),
            last=(last, (h[:, -1], c[:, -1])),
            top=h,
            gaussian=Gaussian(mean, self.layer2.log_variance),
        )
