"""Which timepoints and which words move the loss (Baker et al., "Information Bottleneck for Multi-Task LSTMs", figure 3b)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ibmon import Activation, Measurement, Snapshot

from .tokens import names_of

_BAND = (0.1, 0.9)
"""Quantiles over the samples."""


@dataclass(frozen=True, slots=True)
class Saliency:
    """What the probe ``saliency`` says, ‖∂L_i/∂e_it‖₂ of sample i at time t, where the mask calls it data:

    - "saliency": its mean over the samples at each timepoint, over the axis time; ``lower`` and ``upper`` are the quantiles of
      10 and 90 % of the samples. "samples": how many samples are data at t.
    - "saliency of words": of every word of ``reviews`` samples from sample ``first`` on, over the axis word, in the order of the
      text. Subject: sample, and its label, with the task where there are several.
    - "saliency by word": the mean over all occurrences of a word, and "occurrences", over the axis word, the most frequent first.
      At most ``words`` words, of at least ``least`` occurrences: the same ones in all snapshots.

    The words need inputs that are tokens, integers ``(samples, time)``. Without a vocabulary a word is the number of its token.
    Raises ValueError for options out of their domain.
    """

    first: int = 0
    reviews: int = 6
    words: int = 1000
    least: int = 5

    def __post_init__(self) -> None:
        for name, lowest in (("first", 0), ("reviews", 0), ("words", 0), ("least", 1)):
            if getattr(self, name) < lowest:
                raise ValueError(f"saliency: {name} must be {lowest} or more, not {getattr(self, name)}")

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields the quantities of the class; nothing where a probe of that name says something that is not of timepoints."""
        found = snapshot.probes.get("saliency")
        if found is None or set(found.axes) != {"sample", "time"}:
            return
        values, mask = _by_sample(found)
        yield from _by_time(values, mask)
        tokens = _tokens_of(snapshot.inputs, values)
        if tokens is None:
            return
        for sample in range(self.first, min(self.first + self.reviews, len(values))):
            there = mask[sample]
            if there.any():
                yield Measurement(
                    quantity="saliency of words",
                    unit="",
                    value=values[sample, there].numpy(),
                    subject={"sample": str(sample), **_labels_of(sample, snapshot)},
                    axes={"word": names_of(tokens[sample, there].tolist(), snapshot.vocabulary)},
                )
        yield from self._by_word(tokens[mask], values[mask], snapshot.vocabulary)

    def _by_word(self, tokens: Tensor, values: Tensor, vocabulary: Sequence[str] | None) -> Iterator[Measurement]:
        """Of tokens and values ``(occurrences,)``."""
        distinct, place, count = torch.unique(tokens, return_inverse=True, return_counts=True)
        mean = torch.zeros(len(distinct), dtype=values.dtype).index_add(0, place, values) / count
        order = count.argsort(descending=True, stable=True)
        chosen = order[count[order] >= self.least][: self.words]
        if len(chosen):
            axes = {"word": names_of(distinct[chosen].tolist(), vocabulary)}
            yield Measurement(quantity="saliency by word", unit="", value=mean[chosen].numpy(), axes=axes)
            yield Measurement(quantity="occurrences", unit="", value=count[chosen].numpy(), axes=axes)


def _by_sample(found: Activation) -> tuple[Tensor, Tensor]:
    """Values and mask, both ``(samples, time)``, on the host."""
    variable = found.variable()
    values = variable.values[..., 0].T.double().cpu()
    return values, torch.ones_like(values, dtype=torch.bool) if variable.mask is None else variable.mask.T.cpu()


def _by_time(values: Tensor, mask: Tensor) -> Iterator[Measurement]:
    count = mask.sum(0)
    axes = {"time": list(range(values.shape[1]))}
    mean = torch.where(mask, values, 0.0).sum(0) / count
    band = torch.where(mask, values, torch.nan).nanquantile(values.new_tensor(_BAND), dim=0)
    lower, upper = band.masked_fill(mean.isnan(), torch.nan).numpy()
    flags = {"empty": (count == 0).numpy()}
    yield Measurement(quantity="saliency", unit="", value=mean.numpy(), lower=lower, upper=upper, axes=axes, flags=flags)
    yield Measurement(quantity="samples", unit="", value=count.numpy(), axes=axes)


def _tokens_of(inputs: Activation | None, values: Tensor) -> Tensor | None:
    """The token numbers ``(samples, time)`` of the samples that the probe took; None where the inputs are no tokens."""
    if inputs is None or inputs.values.dtype == torch.bool or inputs.values.is_floating_point() or inputs.values.ndim != 2:
        return None
    tokens = inputs.values[: len(values)].cpu()
    return tokens if tokens.shape == values.shape else None


def _labels_of(sample: int, snapshot: Snapshot) -> dict[str, str]:
    """The classes of a sample; those of tokens are left out."""
    many = len(snapshot.targets) > 1
    found: dict[str, str] = {}
    for task, labels in snapshot.targets.items():
        if labels.ndim == 1:
            (name,) = names_of([int(labels[sample])], snapshot.classes.get(task))
            found[f"label {task}" if many else "label"] = name
    return found
