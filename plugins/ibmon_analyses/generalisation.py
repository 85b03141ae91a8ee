"""Generalisation beside information: is a network that says less about its inputs one whose training shows less in it?

The question of "From Information Bottleneck to Activation Norm Penalty", which takes the norm of a layer for an information. Both
are drawn against the gap between training and validation, by ``generalisation_figures``; measured here is the norm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ibmon import Measurement, Snapshot


@dataclass(frozen=True, slots=True)
class Generalisation:
    """Measures "‖T‖₂" of every layer: the mean over samples, and over timepoints, of the Euclidean norm of all its units.

    In the unit of the activation; what a mask does not call data is left out, NaN where nothing is. Replicas are an axis.
    ``layer`` is the one that the figures set against the gap, the last that is watched unless it is given; a layer that is
    penalised, say.
    """

    layer: str = ""

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields the quantity with subject layer."""
        for layer, activation in snapshot.layers.items():
            if "sample" not in activation.axes:
                continue
            x, batch = activation.variable(), activation.batch()
            norms = torch.linalg.vector_norm(x.values.detach(), dim=-1, dtype=torch.float64)
            there = torch.ones_like(norms, dtype=torch.bool) if x.mask is None else x.mask.to(norms.device).expand_as(norms)
            over = [i for i, name in enumerate((*batch, "sample")) if name != "replica"]
            mean = torch.where(there, norms, 0.0).sum(over) / there.sum(over)
            axes = {"replica": list(range(norms.shape[batch.index("replica")]))} if "replica" in batch else {}
            yield Measurement(quantity="‖T‖₂", value=mean.cpu().numpy(), unit="", subject={"layer": layer}, axes=axes)
