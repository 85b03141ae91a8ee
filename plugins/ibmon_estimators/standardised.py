"""Columns as nearest neighbours need them: of one scale, and without ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Columns:
    """``values`` (samples, columns), float64; the rest is by column.

    ``deviation`` is what the values were divided by. ``constant`` columns do not vary, ``tied`` ones vary but hold a value
    twice, and those that are not ``finite`` are 0 throughout and neither.
    """

    values: Tensor
    deviation: Tensor
    constant: Tensor
    tied: Tensor
    finite: Tensor

    @property
    def flat(self) -> bool:
        """Whether no column varies."""
        return bool(self.constant.all())


def standardised(rows: Tensor, *, standardise: bool, jitter: float, seed: int) -> Columns:
    """``rows`` (samples, columns), mean 0 and standard deviation 1 (ddof 0) by column with ``standardise``.

    Columns that hold a value twice get noise, uniform within ± ``jitter`` standard deviations, drawn from ``seed``. A
    constant column gets none.
    """
    values = rows.to(torch.float64)
    finite = values.isfinite().all(0)
    if not bool(finite.all()):
        values = values.masked_fill(~finite, 0)
    # The first sample is taken off before the mean, so that a constant becomes exactly 0 and a large offset costs nothing.
    centred = values - values[:1]
    centred -= centred.mean(0)
    deviation = centred.square().mean(0).sqrt_()
    constant = (deviation == 0) & finite
    unit = torch.where(deviation > 0, deviation, 1)
    if standardise:
        values = centred.div_(unit)
    tied = _tied(values) & ~constant & finite
    if jitter and bool(tied.any()):
        noise = torch.rand(values.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        noise = noise.mul_(2).sub_(1).to(values.device) * (jitter if standardise else jitter * unit)
        # Beside a large mean the noise would be rounded away, so what gets noise is centred.
        values = torch.where(tied, centred + noise, values)
    return Columns(values, unit if standardise else torch.ones_like(unit), constant, tied, finite)


def _tied(values: Tensor) -> Tensor:
    """Which columns of ``values`` (samples, columns) hold a value twice (columns,)."""
    columns = values.T.contiguous()
    # numpy's vectorised sort takes a fraction of torch's time on a CPU.
    ordered = torch.from_numpy(np.sort(columns.numpy(), axis=1)) if columns.device.type == "cpu" else columns.sort(dim=1).values
    return (ordered[:, 1:] == ordered[:, :-1]).any(1)
