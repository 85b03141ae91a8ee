"""Language models of simple recurrent units: Lei & Zhang (2017), "Training RNNs as fast as CNNs", arXiv:1709.02755."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

import ibmon
from ibmon_recipes.language_models import LanguageModel, Read, States, drop_mask

HIGHWAY = -3.0
"""The bias of the highway gate of an untrained layer, with which the authors trained language models: most of x goes by."""


class SRU(nn.Module):
    """A layer of simple recurrent units, as many as it has inputs (equations 3 to 7 of the paper, its g the identity).

        x̃_t = W x_t      f_t = σ(W_f x_t + b_f)      r_t = σ(W_r x_t + b_r)
        c_t = f_t ⊙ c_{t−1} + (1 − f_t) ⊙ x̃_t      h_t = r_t ⊙ c_t + (1 − r_t) ⊙ x_t

    Nothing in a gate waits for the timepoint before: all are one matrix product, and only c goes step by step. In training
    ``dropout`` leaves out units of x, as the product takes it, and of c, as the highway does, each the same at all timepoints.
    """

    def __init__(self, units: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.product = nn.Linear(units, 3 * units, bias=False)
        self.bias = nn.Parameter(torch.zeros(2 * units))
        self.dropout = dropout

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """h_t and c_t, ``(streams, time, units)`` as ``x`` is, from ``c`` ``(streams, units)`` before the first timepoint."""
        dropping = self.training and self.dropout > 0
        mask = partial(drop_mask, x, (len(x), 1, x.shape[-1]), self.dropout)
        new, gates = self.product(x * mask() if dropping else x).split((x.shape[-1], 2 * x.shape[-1]), -1)
        forget, through = (gates + self.bias).sigmoid().chunk(2, -1)
        found = list[Tensor]()
        for kept, fresh in zip(forget.unbind(1), ((1 - forget) * new).unbind(1), strict=True):
            c = kept * c + fresh
            found.append(c)
        cells = torch.stack(found, 1)
        return through * (cells * mask() if dropping else cells) + (1 - through) * x, cells


class SRUs(LanguageModel):
    """Layers of simple recurrent units, of as many units as the embedding has.

    ``within`` is the dropout of every layer; ``dropout`` that of the embedding and before the linear map.
    """

    def __init__(
        self,
        words: int,
        units: int,
        *,
        layers: int,
        dropout: float,
        within: float,
        tie: bool,
        scale: float,
        bottleneck: bool = False,
    ) -> None:
        super().__init__(words, units, dropout=dropout, tie=tie, bottleneck=bottleneck)
        self.layers = layers
        self.recurrent = nn.ModuleList(SRU(units, within) for _ in range(layers))
        self.start(scale)
        for layer in self._each():
            nn.init.constant_(layer.bias[units:], HIGHWAY)

    @property
    def watched(self) -> dict[str, str]:
        return {f"layer{k + 1}.h": f"recurrent.{k}" for k in range(self.layers)}

    def recur(self, x: Tensor, states: States | None) -> Read:
        if states is None:
            states = ((self.zero(x),),) * self.layers
        inputs, hidden, made = list[Tensor](), list[Tensor](), list[Tensor]()
        x = self.dropped(x)
        for number, (layer, (c,)) in enumerate(zip(self._each(), states, strict=True), 1):
            inputs.append(x)
            x, cells = layer(x, c)
            hidden.append(x)
            made.append(ibmon.tap(f"layer{number}.c", cells, axes=("sample", "time", "unit")))
        return Read(
            inputs=tuple(inputs),
            hidden=tuple(hidden),
            cells=tuple(_given(c) for c in made),
            last=tuple((c[:, -1],) for c in made),
            top=x,
        )

    def _each(self) -> list[SRU]:
        return [layer for layer in self.recurrent if isinstance(layer, SRU)]


def _given(cells: Tensor) -> Callable[[], Tensor]:
    return lambda: cells
