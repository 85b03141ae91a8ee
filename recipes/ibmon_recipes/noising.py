"""Words replaced by others while a language model is trained: Xie et al. (2017), "Data noising as smoothing in neural network
language models", arXiv:1703.02573."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

import ibmon


@dataclass(frozen=True, slots=True)
class Noise:
    """A word x is replaced with probability ``rate[x]`` by a word drawn from ``proposal``, both ``(vocabulary,)``.

    With ``targets`` so is the word that follows x, by a draw of its own with the same probability.
    """

    rate: Tensor
    proposal: Tensor
    targets: bool

    def __call__(self, words: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """Noised words ``(streams, time)`` and targets of that shape; torch's global generator draws."""
        rate = self.rate[words]
        return self._drawn(words, rate), self._drawn(following, rate) if self.targets else following

    def _drawn(self, words: Tensor, rate: Tensor) -> Tensor:
        others = torch.multinomial(self.proposal, words.numel(), replacement=True).view_as(words)
        return torch.where(torch.rand(words.shape, device=words.device) < rate, others, words)


def noise(kind: Literal["unigram", "kneser-ney"], train: Tensor, vocabulary: int, strength: float) -> Noise:
    """The noise for a text ``(words,)`` of integers below ``vocabulary``, where γ₀ is ``strength``.

    - ``unigram``: γ = γ₀ and q(x) ∝ c(x), how frequent x is, for inputs alone: linear interpolation.
    - ``kneser-ney``: γ(x) = γ₀ N₁₊(x, •)/c(x) and q(x) ∝ N₁₊(•, x), where N₁₊ counts the different words that follow and go
      before; for inputs and targets. The target that follows x is then that of an interpolated Kneser-Ney model of bigrams,
      (1 − γ(x)) c(x, y)/c(x) + γ(x) q(y).

    Raises IbmonError for a strength that is no probability.
    """
    if not 0 <= strength <= 1:
        raise ibmon.IbmonError(f"noise-rate is a probability, not {strength:g}.")
    if kind == "unigram":
        counts = torch.bincount(train, minlength=vocabulary).double()
        return Noise(torch.full_like(counts, strength).float(), (counts / counts.sum()).float(), targets=False)
    pairs = torch.unique(train[:-1] * vocabulary + train[1:])
    followers, histories = (
        torch.bincount(side, minlength=vocabulary).double() for side in (pairs // vocabulary, pairs % vocabulary)
    )
    counts = torch.bincount(train[:-1], minlength=vocabulary).double()
    rate = strength * followers / counts.clamp(min=1)
    return Noise(rate.float(), (histories / histories.sum()).float(), targets=True)
