"""The two-layer LSTMs of language models: plain dropout between layers, or one mask for all timepoints of a minibatch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""h and c of a layer, each ``(1, streams, units)``."""
States = tuple[State, State]
PLACES = ("layer1.c", "layer1.h", "layer2.c", "layer2.h")


@dataclass(frozen=True, slots=True)
class Variational:
    """Probabilities of the dropout of Gal & Ghahramani (2016), whose masks are the same at all timepoints of a minibatch.

    ``recurrent`` of the units of h_{t−1}, as a layer's own gates take it. ``skip`` alone is of timepoints: of words whose
    embedding is left out whole. What goes between layers is dropped as in the plain model, but for the mask.
    """

    recurrent: float
    skip: float = 0.2


@dataclass(frozen=True, slots=True)
class Read:
    """What the layers made of tokens ``(streams, time)``: their ``inputs`` and ``hidden`` states ``(streams, time, units)``.

    ``kept`` are the masks ``(streams, units)`` of h_{t−1}, None where there is none; ``before`` and ``last`` are the states of
    the layers before the first and after the last token.
    """

    inputs: tuple[Tensor, Tensor]
    hidden: tuple[Tensor, Tensor]
    kept: tuple[Tensor | None, Tensor | None]
    before: States
    last: States


def detached(states: States) -> States:
    """The same states, through which gradients go no further back."""
    (h1, c1), (h2, c2) = states
    return (h1.detach(), c1.detach()), (h2.detach(), c2.detach())


class LanguageModel(nn.Module):
    """An embedding, two LSTM layers of as many units, and a linear map to the logits of the next word.

    With ``tie`` the embedding and the map are one matrix (Press & Wolf 2016). Weights are uniform on ±``scale``, biases zero.
    """

    def __init__(
        self, words: int, units: int, *, dropout: float, tie: bool, scale: float, variational: Variational | None = None
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, units)
        self.layer1 = nn.LSTM(units, units, batch_first=True)
        self.layer2 = nn.LSTM(units, units, batch_first=True)
        self.output = nn.Linear(units, words)
        self.dropout = dropout
        self.variational = variational
        if tie:
            self.output.weight = self.embedding.weight
        for name, p in self.named_parameters():
            if "bias" in name:
                nn.init.zeros_(p)
            else:
                nn.init.uniform_(p, -scale, scale)

    def read(self, tokens: Tensor, states: States | None = None) -> Read:
        """The layers over tokens ``(streams, time)``, from ``states``, or from zero."""
        x = self.embedding(tokens)
        if states is None:
            zero = x.new_zeros(1, len(tokens), self.layer1.hidden_size)
            states = ((zero, zero), (zero, zero))
        if self.training and self.variational is not None:
            x = x * _mask(x, (*tokens.shape, 1), self.variational.skip)
        first = self._dropped(x)
        hidden1, last1, kept1 = self._layer(self.layer1, first, states[0])
        second = self._dropped(hidden1)
        hidden2, last2, kept2 = self._layer(self.layer2, second, states[1])
        return Read((first, second), (hidden1, hidden2), (kept1, kept2), states, (last1, last2))

    def logits(self, read: Read) -> Tensor:
        """``(streams, time, words)``."""
        return self.output(self._dropped(read.hidden[1]))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.logits(self.read(tokens))

    def at(self, place: str, read: Read) -> Tensor:
        """The states ``(streams, time, units)`` at one of ``PLACES``, through which gradients flow."""
        which = PLACES.index(place) // 2
        if place.endswith("h"):
            return read.hidden[which]
        layer = (self.layer1, self.layer2)[which]
        return cells(layer, read.inputs[which], read.hidden[which], read.before[which], read.kept[which])

    def _layer(self, layer: nn.LSTM, x: Tensor, state: State) -> tuple[Tensor, State, Tensor | None]:
        if not self.training or self.variational is None or not self.variational.recurrent:
            hidden, last = layer(x, state)
            return hidden, last, None
        kept = _mask(x, (len(x), layer.hidden_size), self.variational.recurrent)
        hidden, last = masked(layer, x, state, kept)
        return hidden, last, kept

    def _dropped(self, x: Tensor) -> Tensor:
        if not self.training or not self.dropout:
            return x
        if self.variational is None:
            return nn.functional.dropout(x, self.dropout)
        return x * _mask(x, (len(x), 1, x.shape[-1]), self.dropout)


def _mask(like: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """0 with probability ``p``, else 1/(1 − p)."""
    return nn.functional.dropout(like.new_ones(shape), p)


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
