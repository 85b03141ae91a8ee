"""Binning that does not depend on where its cells begin: I(⌊(T + U)/w⌋; Y | U), U uniform in a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite, log2

import torch
from ibmon import Estimate, Variable, one_by_one
from torch import Tensor

_OUTERMOST = 2.0**52
"""Cells beyond this are merged: so far out a number cannot tell neighbouring cells apart."""


@dataclass(frozen=True, slots=True)
class ShiftedBinning:
    """Plug-in information of the layer in cells of one width, averaged over random shifts of the grid, in bits.

    A shift is independent of the layer and of y, so that for the exact distributions the average never exceeds I(T; Y).
    Raises ValueError for options out of their domain.

    Args:
        width: of a cell
        shifts: how many positions of the grid are averaged
    """

    width: float = 0.07
    shifts: int = 8

    def __post_init__(self) -> None:
        if not (isfinite(self.width) and self.width > 0):
            raise ValueError(f"shifted-binning: width must be positive, not {self.width}")
        if self.shifts < 1:
            raise ValueError(f"shifted-binning: shifts must be at least 1, not {self.shifts}")

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """An estimate for each of ``ys``, labels or the identity of the sample; x is (..., samples, units).

        Flags: ``saturated`` (the layer's entropy is within 5 % of log2 of the samples), ``few_samples`` (under 50),
        ``nonfinite`` and ``empty`` (the value is NaN). Raises ValueError for other kinds and shapes that do not fit.
        """
        if x.kind != "continuous" or any(y.kind == "continuous" for y in ys):
            raise ValueError("shifted-binning takes a continuous variable as x, and labels or the identity of the sample as y")
        units, device = x.values.shape[-1], x.values.device
        # Drawn once: all elements of a batch get the same shifts, and give what they would give alone.
        shifts = torch.rand(self.shifts, units, dtype=torch.float64, generator=rng).to(device)
        weights = (torch.randint(-(2**62), 2**62, (units,), generator=rng) | 1).to(device)
        return one_by_one(partial(self._estimate, shifts, weights), x, ys)

    def _estimate(self, shifts: Tensor, weights: Tensor, x: Variable, y: Variable) -> Estimate:
        """The estimate of one layer, x (samples, units) and y (samples,), all of it data and finite."""
        classes, codes = torch.unique(y.values, return_inverse=True)
        limit = _entropy(codes)
        cells = x.values.detach().double() / self.width
        information, layer = torch.zeros_like(limit), torch.zeros_like(limit)
        for shift in shifts:
            whole = (cells + shift).floor().clamp(-_OUTERMOST, _OUTERMOST).long()
            # A random odd multiplier for each unit: two of N rows collide with a probability of about N² / 2⁶⁴.
            rows = torch.unique((whole * weights).sum(-1), return_inverse=True)[1]
            entropy = _entropy(rows)
            layer += entropy / self.shifts
            information += (entropy + limit - _entropy(rows * len(classes) + codes)) / self.shifts
        saturated = layer >= 0.95 * log2(max(x.samples, 2))
        flags = {"saturated": saturated, "few_samples": torch.tensor(x.samples < 50)}
        return Estimate(information.clamp(min=0).minimum(limit), limit=limit, flags=flags)


def _entropy(codes: Tensor) -> Tensor:
    """Entropy in bits of the distribution of ``codes`` (samples,)."""
    p = torch.unique(codes, return_counts=True)[1].double() / len(codes)
    return (p * -p.log2()).sum()
