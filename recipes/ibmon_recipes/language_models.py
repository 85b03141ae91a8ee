"""What all language models of this package share: an embedding, recurrent layers, and a linear map to logits of the next word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

import ibmon

States = tuple[tuple[Tensor, ...], ...]
"""What each layer carries on from one token to the next."""
LOG_VARIANCE = -2.0
"""ln σ² of random units of an untrained network: σ = 0.37."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Units drawn from N(μ, diag σ²): ``mean`` ``(streams, time, units)``, ``log_variance`` of that shape or ``(units,)``."""

    mean: Tensor
    log_variance: Tensor


@dataclass(frozen=True, slots=True)
class Read:
    """What the layers made of tokens ``(streams, time)``, everything of a layer ``(streams, time, units)``.

    Each layer has ``inputs``, ``hidden`` states h_t and, when asked, ``cells`` c_t, which fused kernels keep to themselves.
    ``last`` are the states after the last token. ``top`` is what the logits are made of, and ``gaussian`` what it was drawn
    from, where it was.
    """

    inputs: tuple[Tensor, ...]
    hidden: tuple[Tensor, ...]
    cells: tuple[Callable[[], Tensor], ...]
    last: States
    top: Tensor
    gaussian: Gaussian | None = None


def detached(states: States) -> States:
    """The same states, through which gradients go no further back."""
    return tuple(tuple(part.detach() for part in layer) for layer in states)


def drop_mask(like: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """0 with probability ``p``, else 1/(1 − p)."""
    return nn.functional.dropout(like.new_ones(shape), p)


class Bottleneck(nn.Module):
    """A Gaussian layer T ~ N(μ(φ), diag σ²(φ)), both linear in φ (Alemi et al. 2016); T is μ in evaluation."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.mean = nn.Linear(units, units)
        self.log_variance = nn.Linear(units, units)

    def forward(self, phi: Tensor) -> tuple[Tensor, Gaussian]:
        """``phi`` ``(streams, time, units)``: what was drawn, and from what."""
        found = Gaussian(self.mean(phi), self.log_variance(phi))
        ibmon.tap("bottleneck", found.mean, axes=("sample", "time", "unit"))
        if not self.training:
            return found.mean, found
        return found.mean + (0.5 * found.log_variance).exp() * torch.randn_like(found.mean), found


class LanguageModel(nn.Module):
    """Words as vectors, the recurrent layers of a subclass, at will a ``Bottleneck``, and a linear map to logits.

    ``dropout`` is of what goes into the first layer and into the linear map, and of more in a subclass. With ``tie`` the
    embedding and the map are one matrix (Press & Wolf 2016). A subclass makes its layers and then calls ``start``.
    """

    layers: int
    """How many recurrent ones there are."""

    def __init__(self, words: int, units: int, *, dropout: float, tie: bool, bottleneck: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, units)
        self.bottleneck = Bottleneck(units) if bottleneck else None
        self.output = nn.Linear(units, words)
        self.dropout = dropout
        if tie:
            self.output.weight = self.embedding.weight

    def start(self, scale: float) -> None:
        """Matrices uniform on ±``scale``, vectors zero; ln σ² of a bottleneck is ``LOG_VARIANCE``."""
        for p in self.parameters():
            if p.ndim > 1:
                nn.init.uniform_(p, -scale, scale)
            else:
                nn.init.zeros_(p)
        if self.bottleneck is not None:
            nn.init.constant_(self.bottleneck.log_variance.bias, LOG_VARIANCE)

    @property
    def places(self) -> tuple[str, ...]:
        """The states that ``at`` knows, ``layer1.c``, ``layer1.h``, ``layer2.c``..."""
        return tuple(f"layer{k}.{part}" for k in range(1, self.layers + 1) for part in "ch")

    @property
    def watched(self) -> dict[str, str]:
        """Layers as ``Monitor.watch`` takes them: the places that are a module's, or inside of one; others are tapped."""
        raise NotImplementedError

    def recur(self, x: Tensor, states: States | None) -> Read:
        """The layers over ``x`` ``(streams, time, units)``, from ``states``, or from zero; ``top`` are the last ``hidden``."""
        raise NotImplementedError

    def embed(self, tokens: Tensor) -> Tensor:
        """``(streams, time, units)`` of tokens ``(streams, time)``."""
        return self.embedding(tokens)

    def read(self, tokens: Tensor, states: States | None = None) -> Read:
        """The layers over tokens ``(streams, time)``, from ``states``, or from zero."""
        found = self.recur(self.embed(tokens), states)
        if self.bottleneck is None:
            return found
        top, gaussian = self.bottleneck(found.top)
        return replace(found, top=top, gaussian=gaussian)

    def logits(self, read: Read) -> Tensor:
        """``(streams, time, words)``."""
        return self.output(self.dropped(read.top))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.logits(self.read(tokens))

    def at(self, place: str, read: Read) -> Tensor:
        """The states ``(streams, time, units)`` at one of the ``places``, through which gradients flow."""
        layer = self.places.index(place) // 2
        return read.hidden[layer] if place.endswith("h") else read.cells[layer]()

    def dropped(self, x: Tensor) -> Tensor:
        """``x`` ``(streams, time, units)`` with dropout, in training."""
        return nn.functional.dropout(x, self.dropout) if self.training and self.dropout else x

    def zero(self, x: Tensor, *front: int) -> Tensor:
        """Zeros ``(*front, streams, units)``, where ``x`` ``(streams, time, units)`` is."""
        return x.new_zeros(*front, len(x), x.shape[-1])
