"""States of a layer at some timepoints without what is padding, and what of the data goes with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from ibmon import Activation, Variable

_SEED = 20200212
_LARGEST = 2.0**62
"""Whole numbers beyond this are merged, so that they fit 64-bit integers."""


@dataclass(frozen=True, slots=True)
class States:
    """``values`` (batch..., timepoints, samples, units), 0 where they are not data, and the ``mask`` of what is data."""

    values: Tensor
    mask: Tensor

    @property
    def count(self) -> Tensor:
        """N_t, (batch..., timepoints)."""
        return self.mask.sum(-1)

    def variable(self) -> Variable:
        """Without a mask where everything is data, which estimators take faster."""
        return Variable.continuous(self.values, None if bool(self.mask.all()) else self.mask)

    def labels(self, values: Tensor) -> Tensor:
        """Other ``values`` (..., timepoints, samples), 0 where they are not data.

        Nothing that stands under the mask reaches an estimator this way, not even by its rounding; nor with ``rows``.
        """
        return torch.where(self.mask, values.to(self.mask.device), 0)

    def rows(self, values: Tensor) -> Tensor:
        """Other ``values`` (..., timepoints, samples, units), 0 where they are not data."""
        return torch.where(self.mask[..., None], values.to(self.mask.device), 0)

    def only(self, mask: Tensor, least: int | None = None) -> States:
        """Those that are data under a further ``mask`` too, and with ``least`` equally many at each timepoint."""
        return _masked(self.values, self.mask & mask, least)


def states_of(activation: Activation, moments: Sequence[int], *, masked: bool, least: int | None = None) -> States:
    """The states at ``moments`` of a layer with axes sample and time.

    Its mask counts if ``masked``. With ``least`` each timepoint keeps equally many samples (``equalised``).
    """
    x = activation.variable()
    at = torch.tensor(list(moments), device=x.values.device)
    values = x.values.detach().index_select(-3, at)
    if x.mask is None or not masked:
        mask = torch.ones(values.shape[:-1], dtype=torch.bool, device=values.device)
    else:
        mask = x.mask.to(values.device).index_select(-2, at)
    return _masked(values, mask, least)


def _masked(values: Tensor, mask: Tensor, least: int | None) -> States:
    if least is not None:
        mask = equalised(mask, least)
    return States(values if bool(mask.all()) else values.masked_fill(~mask[..., None], 0), mask)


def equalised(mask: Tensor, least: int) -> Tensor:
    """A ``mask`` (..., samples) of as many samples in each element as the smallest has of those with ``least`` or more.

    Elements with fewer are left without any. The samples are drawn by one order of all of them, always the same one: elements
    share the samples they can share, and two snapshots have the same.
    """
    count = mask.sum(-1, keepdim=True)
    enough = count >= least
    if not bool(enough.any()):
        return torch.zeros_like(mask)
    kept = int(count[enough].min())
    order = torch.rand(mask.shape[-1], generator=torch.Generator().manual_seed(_SEED), dtype=torch.float64).to(mask.device)
    drawn = order.expand(mask.shape).masked_fill(~mask, torch.inf).argsort(-1)[..., :kept]
    return torch.zeros_like(mask).scatter_(-1, drawn, value=True) & mask & enough


def inputs_of(inputs: Activation | None, layer: Activation) -> Tensor | None:
    """The inputs at each timepoint of a layer (time, samples, units).

    They have a time axis, or are (samples, as many columns as the layer has timepoints), such as tokens. None for others.
    """
    samples, length = (layer.values.shape[layer.axes.index(axis)] for axis in ("sample", "time"))
    if inputs is None or "sample" not in inputs.axes:
        return None
    if "time" in inputs.axes:
        values = inputs.variable().values
    elif inputs.axes == ("sample", "unit"):
        values = inputs.values.T[..., None]
    else:
        return None
    return values.detach() if values.ndim == 3 and values.shape[:2] == (length, samples) else None


def identities(rows: Tensor) -> Tensor:
    """Which of the distinct rows each is, from 0 in each element of the batch: (..., samples, units) to (..., samples)."""
    batch, size, units = rows.shape[:-2], *rows.shape[-2:]
    weights = 2 * torch.randint(2**62, (units,), generator=torch.Generator().manual_seed(_SEED)).to(rows.device) + 1
    found = [numbered(_integers(part), weights) for part in rows.reshape(-1, size, units)]
    return torch.stack(found).reshape(*batch, size) if found else rows.new_zeros(*batch, size, dtype=torch.long)


def numbered(integers: Tensor, weights: Tensor) -> Tensor:
    """Numbers (samples,) of the distinct rows (samples, units), by a hash whose collisions are looked for."""
    hashes, order = (integers * weights).sum(-1).sort()
    ordered = integers[order]
    differs = (ordered[1:] != ordered[:-1]).any(-1)
    if bool((differs != (hashes.diff() != 0)).any()):
        return torch.unique(integers, dim=0, return_inverse=True)[1]
    numbers = torch.zeros_like(order)
    numbers[1:] = differs.cumsum(0)
    return torch.empty_like(order).scatter_(0, order, numbers)


def _integers(rows: Tensor) -> Tensor:
    """Numbers as 64-bit integers that are equal where they are; of fractions the bits, those in front folded onto the rest."""
    if not rows.is_floating_point():
        return rows.long()
    if bool((rows == rows.floor()).all()):
        return rows.clamp(-_LARGEST, _LARGEST).long()
    bits = (rows.double() + 0.0).contiguous().view(torch.long)  # + 0.0 makes one of -0.0 and 0.0
    return bits ^ (bits >> 32)


def predicted_by_padding(identity: Tensor, mask: Tensor) -> Tensor:
    """I(X;H_t) in bits (time,) of sequences padded in front, if they share one state until they begin and none after.

    ``identity`` (samples,) says which of the distinct inputs a sample is, ``mask`` (time, samples) what is data. With q_t the
    share of the N sequences that have begun by t it is −(1 − q) log2(1 − q) + q log2 N, whatever the network has learnt; inputs
    that are equal have equal states, which makes it less.
    """
    inputs = torch.unique(identity, return_inverse=True)[1] + 1
    states = torch.where(mask, inputs, 0)
    counts = torch.zeros(len(mask), int(inputs.max()) + 1, dtype=torch.float64, device=mask.device)
    counts.scatter_add_(1, states, torch.ones_like(states, dtype=torch.float64))
    return torch.special.entr(counts / mask.shape[1]).sum(1) / log(2)
