"""Large layers cut down before they leave the device."""

from __future__ import annotations

import zlib
from functools import lru_cache

import torch
from torch import Tensor

from ibmon.reductions import Reduction
from ibmon.tensors import Reduced

_CACHED = 2**24
"""Numbers of a projection that is kept: 64 MiB."""


def reduced(name: str, values: Tensor, mask: Tensor | None, to: Reduction) -> tuple[Tensor, Tensor | None, Reduced]:
    """A layer's output ``(sample, unit)``, ``(sample, time, unit)`` or ``(sample, channel, ...)`` as the reduction says.

    Of channels and places, where they are cut down, the axes are lost: they become units.
    """
    flags: list[str] = []
    moments: tuple[int, ...] | None = None
    if values.ndim == 3 and 0 < to.timepoints < values.shape[1]:
        moments = tuple(torch.linspace(0, values.shape[1] - 1, to.timepoints, dtype=torch.float64).round().long().tolist())
        at = torch.tensor(moments, device=values.device)
        values, mask = values.index_select(1, at), None if mask is None else mask.index_select(1, at.to(mask.device))
        flags.append("sampled_timepoints")
    kept = to.units or to.projection
    flat = values if values.ndim <= 3 else values.flatten(1)
    if values.ndim > 1 and 0 < kept < flat.shape[-1]:
        if to.units:
            values = flat.index_select(-1, _units(name, flat.shape[-1], kept).to(values.device))
            flags.append("sampled_units")
        else:
            values = flat.float() @ projection(name, flat.shape[-1], kept).to(values.device)
            flags.append("projected")
    return values, mask, Reduced(tuple(flags), moments)


def _units(name: str, units: int, kept: int) -> Tensor:
    return torch.randperm(units, generator=_generator(name))[:kept].sort().values


def projection(name: str, units: int, kept: int) -> Tensor:
    """The weights ``(units, kept)`` of a layer's projection, the same ones in every snapshot and run."""
    return _known(name, units, kept) if units * kept <= _CACHED else _drawn(name, units, kept)


def _drawn(name: str, units: int, kept: int) -> Tensor:
    return torch.randn(units, kept, generator=_generator(name)) / kept**0.5


_known = lru_cache(maxsize=16)(_drawn)


def _generator(name: str) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))
