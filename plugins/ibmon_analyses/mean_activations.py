"""Averaged activations at every timepoint (Baker et al., "Information Bottleneck for Multi-Task LSTMs", figure 3a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ibmon import Measurement, Snapshot


@dataclass(frozen=True, slots=True)
class MeanActivations:
    """Of every layer with axes sample and time, over the axis time (and replica, in front of it): "mean activation", the mean of
    h over all units and all samples that are data at t, and "mean absolute activation", that of |h|.

    The first is near zero where units of either sign cancel, the second says how far they are from it. ``padding="masked"``
    leaves out what the mask of the layer does not call data, ``"as-data"`` counts it, as the paper does. A timepoint without
    data is NaN and flagged ``empty``. Raises ValueError for another padding.
    """

    padding: Literal["masked", "as-data"] = "masked"

    def __post_init__(self) -> None:
        if self.padding not in ("masked", "as-data"):
            raise ValueError(f"mean-activations: padding must be masked or as-data, not {self.padding}")

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields the two quantities with subject layer."""
        for layer, activation in snapshot.layers.items():
            if not {"sample", "time"} <= set(activation.axes):
                continue
            variable = activation.variable()
            h, mask = variable.values, variable.mask if self.padding == "masked" else None
            axes = {name: list(range(h.shape[i])) for i, name in enumerate(activation.batch())}
            sums = {
                "mean activation": h.sum(-1, dtype=torch.float64),
                "mean absolute activation": torch.linalg.vector_norm(h, 1, dim=-1, dtype=torch.float64),
            }
            for quantity, total in sums.items():
                mean, empty = _over_samples(total / h.shape[-1], mask)
                yield Measurement(
                    quantity=quantity,
                    unit="",
                    value=mean.cpu().numpy(),
                    subject={"layer": layer},
                    axes=axes,
                    flags={"empty": empty.cpu().numpy()},
                )


def _over_samples(values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """The mean of values ``(..., samples)`` over those that are data, and where there are none, both ``(...)``."""
    there = torch.ones_like(values, dtype=torch.bool) if mask is None else mask
    count = there.sum(-1)
    return torch.where(there, values, 0.0).sum(-1) / count, count == 0
