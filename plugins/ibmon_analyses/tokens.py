"""What is data of layers with or without a time axis, as rows, with the labels and names that belong to them.

A row is a token, or a sample where there is no time axis; rows are in the order of the samples and, within each, of time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ibmon import Activation, Snapshot

_AXES = (("sample", "unit"), ("sample", "time", "unit"))


def data_of(activation: Activation, snapshot: Snapshot) -> Tensor | None:
    """Which tokens ``(samples, time)``, or samples ``(samples,)``, are data, on the host; None for layers with other axes.

    That is what the activation's mask says, else the mask of inputs of the same tokens.
    """
    if activation.axes not in _AXES:
        return None
    shape = activation.values.shape[:-1]
    inputs = snapshot.inputs
    masks = (activation.mask, None if inputs is None else inputs.mask)
    fitting = [mask for mask in masks if mask is not None and mask.shape == shape]
    return fitting[0].cpu() if fitting else torch.ones(shape, dtype=torch.bool)


def rows_of(activation: Activation, there: Tensor) -> Tensor:
    """The values ``(rows, units)`` of what ``there`` calls data, in float64 on the host."""
    return activation.values.cpu()[there].double()


def labels_of(snapshot: Snapshot, task: str, shape: torch.Size) -> Tensor | None:
    """The labels of a task, one for each token or sample of ``shape``, on the host; None where there are no such integers."""
    labels = snapshot.targets.get(task)
    if labels is None or labels.shape != shape or labels.is_floating_point() or labels.is_complex():
        return None
    return labels.cpu().long()


def names_of(numbers: Sequence[int], known: Sequence[str] | None) -> list[str]:
    """The words or classes that integers stand for; where none is known, the integer itself."""
    end = len(known) if known is not None else 0
    return [known[k] if known is not None and 0 <= k < end else str(k) for k in numbers]


def frequent(labels: Tensor, most: int, least: int = 1) -> tuple[Tensor, Tensor]:
    """The ``most`` frequent labels that occur at least ``least`` times, in the order of their integers, and how often they do.

    Negative labels, which losses ignore by custom, are none.
    """
    found, count = torch.unique(labels[labels >= 0], return_counts=True)
    chosen = count.argsort(descending=True, stable=True)[:most].sort().values
    chosen = chosen[count[chosen] >= least]
    return found[chosen], count[chosen]
