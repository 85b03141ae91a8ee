"""The effective dimension of a layer (Abbott, Rajan & Sompolinsky 2011; Gao et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from ibmon import Measurement, Snapshot
from torch import Tensor


@dataclass(frozen=True, slots=True)
class ParticipationRatio:
    """Measures PR = (Σ λ)² / Σ λ² of every layer, λ the eigenvalues of the covariance of its units over the samples.

    Replicas and timepoints of an activation become axes of the measurement. Flags: ``few_samples`` where PR exceeds a tenth
    of the samples (which read 1/PR + 1/N), ``constant`` where nothing varies and ``nonfinite`` (the value is NaN).
    """

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields "participation ratio" with subject layer."""
        for name, layer in snapshot.layers.items():
            if "sample" not in layer.axes:
                continue
            x = layer.variable()
            ratio, total, count = participation_ratio(x.values, x.mask)
            yield Measurement(
                quantity="participation ratio",
                unit="",
                value=ratio.cpu().numpy(),
                subject={"layer": name},
                axes={axis: list(range(size)) for axis, size in zip(layer.batch(), ratio.shape, strict=True)},
                flags={
                    "few_samples": (ratio > count / 10).cpu().numpy(),
                    "constant": (total == 0).cpu().numpy(),
                    "nonfinite": (~total.isfinite()).cpu().numpy(),
                },
            )


def participation_ratio(values: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """PR of ``values`` (..., samples, units), the trace of their scatter and how many samples are data; each (...)."""
    z = values.detach().double()
    data = torch.ones(z.shape[:-1], dtype=torch.bool, device=z.device) if mask is None else mask
    count = data.sum(-1)
    # The first sample is taken off before the mean, so that a constant layer becomes exactly 0.
    first = z.gather(-2, data.int().argmax(-1)[..., None, None].expand(*z.shape[:-2], 1, z.shape[-1]))
    z = (z - first).masked_fill(~data[..., None], 0)
    z = (z - z.sum(-2, keepdim=True) / count.clamp(min=1)[..., None, None]).masked_fill(~data[..., None], 0)
    total = z.square().sum((-2, -1))
    gram = z @ z.mT if z.shape[-2] < z.shape[-1] else z.mT @ z  # both have the same eigenvalues but for zeros
    return total.square() / gram.square().sum((-2, -1)), total, count
