"""What the states of each layer of a language model tell about the next word: the bound I(T;Y) ≥ H(Y) − cross-entropy.

The words are said through a lens: an affine map from the states of a layer to what the network makes its logits of, then the
network's own output (Belrose et al. 2023, arXiv:2303.08112, "tuned lens"). Beside a map to all words it has few parameters, and
few words fit it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, nan

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from ibmon_recipes.language_models import LanguageModel

MINIBATCH = 500
"""Words whose logits are in memory at once, in fitting and in saying."""
RATE = 3e-3
"""Of Adam's first step; it falls linearly to nothing."""
LEAST = 1e-4
"""Share of the mean variance that a direction counts as having at least."""


@torch.no_grad()
def states(model: LanguageModel, tokens: Tensor, count: int) -> dict[str, Tensor]:
    """States ``(words, units)`` by layer at tokens ``(streams, time)``, as in evaluation, each stream read from the state zero.

    ``count`` streams are read at once. The logits are made of the last of the layers. The model is left in the mode it was in.
    """
    trained = model.training
    model.eval()
    parts: list[dict[str, Tensor]] = []
    for some in tokens.split(count):
        read = model.read(some)
        found = {place: model.at(place, read) for place in model.places}
        if model.bottleneck is not None:
            found["bottleneck"] = read.top
        parts.append({layer: x.flatten(0, 1) for layer, x in found.items()})
    model.train(trained)
    return {layer: torch.cat([part[layer] for part in parts]) for layer in parts[0]}


@dataclass(frozen=True, slots=True)
class Output:
    """The network's linear map to logits: ``weight`` ``(words, units)`` and ``bias`` ``(words,)``, which learn nothing here."""

    weight: Tensor
    bias: Tensor

    def nats(self, top: Tensor, words: Tensor, reduction: str = "mean") -> Tensor:
        """Cross-entropy of ``words`` ``(samples,)`` said from ``top`` ``(samples, units)``."""
        return cross_entropy(linear(top, self.weight, self.bias), words, reduction=reduction)


@dataclass(frozen=True, slots=True)
class Lens:
    """An affine map of states ``(words, units)``: ``weight (x − mean) axes + bias``.

    ``axes`` ``(units, directions)`` make directions of variance 1 without correlations, or Adam would take far too long steps
    along some: cells grow with every word, and a few directions have most of the variance of every layer.
    """

    mean: Tensor
    axes: Tensor
    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return linear((x - self.mean) @ self.axes, self.weight, self.bias)


@torch.no_grad()
def nearest(x: Tensor, top: Tensor) -> Lens:
    """The lens that takes states ``(words, units)`` nearest to ``top`` ``(words, units)`` by least squares."""
    mean = x.double().mean(0)
    apart = x.double() - mean
    variance, directions = torch.linalg.eigh(apart.T @ apart / len(x))
    least = max(LEAST * float(variance.mean()), torch.finfo(x.dtype).tiny)
    axes = directions / variance.clamp(min=least).sqrt()
    weight = top.double().T @ (apart @ axes) / len(x)
    return Lens(*(part.to(x.dtype) for part in (mean, axes, weight, top.double().mean(0))))


def fitted(x: Tensor, top: Tensor, words: Tensor, output: Output) -> Lens:
    """The nearest lens, improved by one pass over ``words`` ``(words,)`` so that ``output`` says them, with Adam.

    No global generator of random numbers is drawn from, and gradients reach nothing but the lens.
    """
    lens = nearest(x, top)
    learnt = (lens.weight.requires_grad_(), lens.bias.requires_grad_())
    descent = torch.optim.Adam(learnt, lr=RATE)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).to(x.device).split(MINIBATCH)
    for k, rows in enumerate(order):
        descent.param_groups[0]["lr"] = RATE * (1 - k / len(order))
        loss = output.nats(lens(x[rows]), words[rows])
        for p, gradient in zip(learnt, torch.autograd.grad(loss, learnt), strict=True):
            p.grad = gradient
        descent.step()
    return lens


def informative(
    model: LanguageModel, learnt: tuple[Tensor, Tensor], asked: tuple[Tensor, Tensor], entropy: float, count: int
) -> dict[str, float]:
    """Bits by layer: ``entropy`` of a word in bits − the cross-entropy of the layer's lens, which bounds I(T;Y) from below.

    Lenses are fitted to ``learnt``, words and the ones after them ``(streams, time)``, and the bound is that of ``asked``, which
    are others. It is below 0 where a lens has learnt what does not hold, and NaN where the states are not finite.
    """
    output = Output(model.output.weight.detach(), model.output.bias.detach())
    seen, others = (states(model, words, count) for words, _ in (learnt, asked))
    said, saying = learnt[1].flatten(), asked[1].flatten()
    *_, top = seen.values()
    bits = dict.fromkeys(seen, nan)
    for layer, x in seen.items():
        if not (x.isfinite().all() and top.isfinite().all()):
            continue
        lens = fitted(x, top, said, output)
        with torch.no_grad():
            parts = zip(others[layer].split(MINIBATCH), saying.split(MINIBATCH), strict=True)
            nats = sum(float(output.nats(lens(part), words, "sum")) for part, words in parts)
        bits[layer] = entropy - nats / len(saying) / log(2)
    return bits
