"""The null of an estimate: what the estimator reads when the labels say nothing about the layer.

Labels are permuted among the samples that are data, which keeps both marginal distributions. An estimate that its null
reaches is not information about the labels, whatever its value.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .samples import Samples, order_of

LEAST_FOR_P = 19
"""Permutations from which a p-value is given: fewer could not reach .05."""


def check_permutations(number: int, estimator: str) -> None:
    """Raise ValueError for a negative number of permutations."""
    if number < 0:
        raise ValueError(f"{estimator}: permutations must be 0 or more, not {number}")


def permutations(samples: Samples, number: int, rng: torch.Generator) -> Iterator[Tensor]:
    """``number`` random orders of the samples (elements, samples): what is data stays among what is data.

    All elements get the same random keys, so that a batch gives what its elements would give alone. ``rng`` is advanced by
    the same amount whatever the mask is.
    """
    elements, size = samples.values.shape[:2]
    device = samples.values.device
    for _ in range(number):
        keys = torch.rand(size, generator=rng, dtype=torch.float64, device=rng.device).to(device)
        if samples.mask is None:
            yield order_of(keys).expand(elements, size)
            continue
        data = samples.mask
        places = torch.arange(size, device=device).expand(elements, size)
        to = places.masked_fill(~data, size).argsort(dim=1, stable=True)  # the data first, in their order ...
        source = keys.expand(elements, size).masked_fill(~data, torch.inf).argsort(dim=1, stable=True)  # ... and in random order
        yield torch.empty_like(to).scatter_(1, to, source)


def summary(raw: Tensor, permuted: list[Tensor]) -> tuple[Tensor | None, Tensor | None]:
    """Mean of ``permuted`` estimates (elements,), and the p-value of ``raw`` where there are enough of them.

    p = (1 + how many reach it) / (1 + permutations), which is never 0 (Phipson & Smyth 2010). Both are NaN where ``raw`` is.
    """
    if not permuted:
        return None, None
    stacked = torch.stack(permuted)
    nothing = raw.isnan()
    null = stacked.mean(0).masked_fill(nothing, torch.nan)
    if len(permuted) < LEAST_FOR_P:
        return null, None
    # Equal but for rounding counts as reached: for discrete data many permutations give the very same estimate.
    reached = (stacked >= raw - 1e-12).sum(0, dtype=torch.float64)
    return null, ((1 + reached) / (1 + len(permuted))).masked_fill(nothing, torch.nan)


def label_saturated(null: Tensor | None, entropy: Tensor) -> Tensor:
    """Where the null exceeds half of H(Y): the estimate cannot tell labels from chance (elements,)."""
    if null is None:
        return torch.zeros_like(entropy, dtype=torch.bool)
    return null > 0.5 * entropy + 1e-12  # where there is one class, rounding alone exceeds half of nothing
