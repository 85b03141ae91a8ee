"""The two-layer LSTMs of language models: plain dropout between layers, or one mask for all timepoints of a minibatch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ibmon_recipes.language_models import LanguageModel, Read, States, drop_mask

State = tuple[Tensor, ...]
"""h and c of a layer, each ``(1, streams, units)``."""


@dataclass(frozen=True, slots=True)
class Variational:
    """Probabilities of the dropout of Gal & Ghahramani (2016), whose masks are the same at all timepoints of a minibatch.

    ``recurrent`` of the units of h_{t−1}, as a layer's own gates take it. ``skip`` alone is of timepoints: of words whose
    embedding is left out whole. What goes between layers is dropped as in the plain model, but for the mask.
    """

    recurrent: float
    skip: float = 0.2


class LSTMs(LanguageModel):
    """Two LSTM layers, of as many units as the embedding has."""

    layers = 2

    def __init__(
        self,
        words: int,
        units: int,
        *,
        dropout: float,
        tie: bool,
        scale: float,
        variational: Variational | None = None,
        bottleneck: bool = False,
    ) -> None:
        super().__init__(words, units, dropout=dropout, tie=tie, bottleneck=bottleneck)
        self.layer1 = nn.LSTM(units, units, batch_first=True)
        self.layer2 = nn.LSTM(units, units, batch_first=True)
        self.variational = variational
        self.start(scale)

    @property
    def watched(self) -> dict[str, str]:
        return {name: name.removesuffix(".h") for name in self.places}

    def embed(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        if not self.training or self.variational is None:
            return x
        return x * drop_mask(x, (*tokens.shape, 1), self.variational.skip)

    def recur(self, x: Tensor, states: States | None) -> Read:
        if states is None:
            zero = self.zero(x, 1)
            states = ((zero, zero), (zero, zero))
        first = self.dropped(x)
        hidden1, last1, kept1 = self._layer(self.layer1, first, states[0])
        second = self.dropped(hidden1)
        hidden2, last2, kept2 = self._layer(self.layer2, second, states[1])
        return Read(
            inputs=(first, second),
            hidden=(hidden1, hidden2),
            cells=(
                partial(cells, self.layer1, first, hidden1, states[0], kept1),
                partial(cells, self.layer2, second, hidden2, states[1], kept2),
            ),
            last=(last1, last2),
            top=hidden2,
        )

    def dropped(self, x: Tensor) -> Tensor:
        if self.variational is None or not self.training or not self.dropout:
            return super().dropped(x)
        return x * drop_mask(x, (len(x), 1, x.shape[-1]), self.dropout)

    def _layer(self, layer: nn.LSTM, x: Tensor, state: State) -> tuple[Tensor, State, Tensor | None]:
        if not self.training or self.variational is None or not self.variational.recurrent:
            hidden, last = layer(x, state)
            return hidden, last, None
        kept = drop_mask(x, (len(x), layer.hidden_size), self.variational.recurrent)
        hidden, last = masked(layer, x, state, kept)
        return hidden, last, kept


def masked(layer: nn.LSTM, x: Tensor, state: State, kept: Tensor) -> tuple[Tensor, State]:
    """What ``layer(x, state)`` gives for ``x`` ``(streams, time, inputs)``, where its gates take h_{t−1} times ``kept``.

    The fused kernels know no such mask, so it goes step by step.
    """
    of_x, of_h, *biases = layer.all_weights[0]
    h, c, found = state[0][0], state[1][0], list[Tensor]()
    for now in nn.functional.linear(x, of_x, biases[0] + biases[1]).unbind(1):
        i, f, g, o = (now + nn.functional.linear(h * kept, of_h)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        found.append(h)
    return torch.stack(found, 1), (h[None], c[None])


def cells(layer: nn.LSTM, x: Tensor, hidden: Tensor, before: State, kept: Tensor | None = None) -> Tensor:
    """c_t ``(streams, time, units)`` of an LSTM layer that made ``hidden`` of ``x``; the fused kernels give only the last one.

    The gates follow from x_t and h_{t−1} for all t at once, and c_t from them one after the other, without a matrix product.
    """
    earlier = torch.cat([before[0].transpose(0, 1), hidden[:, :-1]], 1)
    if kept is not None:
        earlier = earlier * kept[:, None]
    of_x, of_h, *biases = layer.all_weights[0]
    gates = nn.functional.linear(x, of_x, biases[0]) + nn.functional.linear(earlier, of_h, biases[1])
    i, f, g, _ = gates.chunk(4, -1)
    c, found = before[1][0], list[Tensor]()
    for forget, new in zip(f.sigmoid().unbind(1), (i.sigmoid() * g.tanh()).unbind(1), strict=True):
        c = forget * c + new
        found.append(c)
    return torch.stack(found, 1)
