"""Running text as integers, and how well a language model says it: perplexity, and the bound on I(T;Y) that follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import torch
from torch import Tensor, nn

import ibmon
from ibmon import data
from ibmon_recipes.language_models import LanguageModel, detached

UNKNOWN = "<unk>"
NOTHING = -100
"""The target of a timepoint that is there to fill the last stream, as ``cross_entropy`` has it."""


@dataclass(frozen=True, slots=True)
class Text:
    """The words of each part as integers ``(words,)``, positions in ``vocabulary``."""

    vocabulary: tuple[str, ...]
    train: Tensor
    validation: Tensor
    test: Tensor


def text(source: str, *, words: int = 0, kept: int = 0) -> Text:
    """``ptb``, ``wikitext-2`` or a file, see ``ibmon.data.corpus``; only the first ``words`` of the training part (0: all).

    The vocabulary is that of the whole training part, the most frequent words first, or the first ``kept`` of them; all others
    are ``<unk>``. Raises IbmonError for a source that is neither, and for a part without two words.
    """
    named = {"ptb": data.ptb, "wikitext-2": data.wikitext2}
    found = named[source]() if source in named else data.corpus(Path(source))
    if min(len(found.train), len(found.validation), len(found.test)) < 2:
        raise ibmon.IbmonError(f"{source} has a part of a single word: there is no next one.")
    counts = Counter(found.train)
    vocabulary = sorted(counts, key=lambda word: (-counts[word], word))[: kept or None]
    if UNKNOWN not in vocabulary:
        vocabulary.append(UNKNOWN)
    number = {word: k for k, word in enumerate(vocabulary)}
    unknown = number[UNKNOWN]

    def integers(part: Sequence[str]) -> Tensor:
        return torch.tensor([number.get(word, unknown) for word in part])

    return Text(tuple(vocabulary), integers(found.train[: words or None]), integers(found.validation), integers(found.test))


def streams(words: Tensor, count: int, length: int) -> tuple[Tensor, Tensor]:
    """Words ``(words,)`` as ``count`` streams that are read side by side, and the word after each: both ``(count, time)``.

    ``time`` is a multiple of ``length``; the words at the end that fill no further segment are left out.
    Raises IbmonError where there is not one segment.
    """
    time = (len(words) - 1) // (count * length) * length
    if not time:
        raise ibmon.IbmonError(f"{len(words)} words are too few for {count} streams of {length}: take less of batch or bptt.")
    cut = count * time
    return words[:cut].reshape(count, time), words[1 : cut + 1].reshape(count, time)


def windows(words: Tensor, count: int, length: int) -> tuple[Tensor, Tensor]:
    """``count`` stretches of ``length`` words spread evenly over ``(words,)``, and the word after each: ``(count, length)``.

    Raises IbmonError where they would overlap.
    """
    apart = (len(words) - 1) // count
    if apart < length:
        most = (len(words) - 1) // length
        raise ibmon.IbmonError(f"{len(words)} words hold {most} samples of {length}: take less of eval-samples or bptt.")
    rows = apart * torch.arange(count)[:, None] + torch.arange(length)
    return words[rows], words[rows + 1]


def entropy(words: Tensor) -> float:
    """Entropy in bits of how frequent the words ``(words,)`` are: of unigrams, the plug-in estimate."""
    p = torch.unique(words, return_counts=True)[1].double() / len(words)
    return -float((p * p.log2()).sum())


def unigram_perplexity(train: Tensor, words: Tensor, vocabulary: int) -> float:
    """Perplexity of ``words`` ``(words,)`` by how frequent each is in ``train``, where one is added to every count."""
    counts = torch.bincount(train, minlength=vocabulary).double() + 1
    return float((-(counts / counts.sum()).log()[words].mean()).exp())


@dataclass(frozen=True, slots=True)
class Said:
    """How a model says a text: means over its words.

    ``cross_entropy`` and the ``entropy`` of the prediction are in bits, ``norm`` is ‖φ‖₂ of the state of the last layer, and
    ``information`` the bound I(T;Y) ≥ H(Y) − cross-entropy in bits (Barber & Agakov 2003), Y the next word. Its H(Y) is that of
    the unigrams of the same words, a plug-in estimate and so rather too low, as the bound is then.
    """

    cross_entropy: float
    entropy: float
    norm: float
    information: float

    @property
    def perplexity(self) -> float:
        return 2**self.cross_entropy if self.cross_entropy < 1000 else float("inf")

    def logged(self) -> dict[str, float]:
        """What ``Monitor.log`` takes."""
        return {
            "perplexity": self.perplexity,
            "state norm": self.norm,
            "prediction entropy [bits]": self.entropy,
            "H(Y) − cross-entropy [bits]": self.information,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """How a model says the first words that it was trained on, and as many of the validation part.

    ``told`` are the bits that each layer tells about the words of the evaluation set, see ``lenses``.
    """

    train: Said
    validation: Said
    told: Mapping[str, float]

    def log(self, monitor: ibmon.Monitor) -> None:
        monitor.log("train", **self.train.logged())
        gap = self.validation.perplexity - self.train.perplexity
        monitor.log("validation", **self.validation.logged(), **{"perplexity gap": gap})
        for layer, bits in self.told.items():
            monitor.log(layer, **{"H(Y) − cross-entropy by lens [bits]": bits})


@torch.no_grad()
def said(model: LanguageModel, words: Tensor, count: int, length: int) -> Said:
    """Every word ``(words,)`` but the first, said from those before it; ``count`` streams at once, each with a state of its own.

    The model is left in the mode it was in; nothing is dropped out.
    """
    trained, time = model.training, -(-(len(words) - 1) // count)
    model.eval()
    filled = nn.functional.pad(words, (0, count * time + 1 - len(words)))
    inputs, targets = filled[:-1].reshape(count, time), filled[1:].clone()
    targets[len(words) - 1 :] = NOTHING
    totals = torch.zeros(3, dtype=torch.float64, device=words.device)
    state = None
    for x, y in zip(inputs.split(length, 1), targets.reshape(count, time).split(length, 1), strict=True):
        read = model.read(x, state)
        state = detached(read.last)
        there = y != NOTHING
        logs = model.logits(read)[there].log_softmax(-1)
        parts = (
            nn.functional.nll_loss(logs, y[there], reduction="sum"),
            -(logs.exp() * logs).sum(),
            read.hidden[-1][there].norm(dim=-1).sum(),
        )
        totals += torch.stack([part.double() for part in parts])
    model.train(trained)
    nll, uncertainty, norm = (totals / (len(words) - 1)).tolist()
    bits = 1 / log(2)
    return Said(nll * bits, uncertainty * bits, norm, entropy(words[1:]) - nll * bits)
