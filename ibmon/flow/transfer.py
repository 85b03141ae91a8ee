"""Transfer entropy, beside the flow: what the past of one node says of another beyond what that one's own past says.

Schreiber 2000, "Measuring information transfer", Phys. Rev. Lett. 85, 461, with one step of history: TE_ij(τ) =
I(x_i(t); x_j(t + τ) | x_j(t + τ − 1)). Between Gaussian variables it is half of Granger's causality (Barnett, Barrett & Seth
2009, Phys. Rev. Lett. 103, 238701) and has a closed form, −½ log2(1 − ρ²) with ρ the partial correlation.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Protocol

import torch
from scipy.stats import rankdata
from torch import Tensor

from ibmon.tensors import Estimate, Variable

from .matrices import Statistic, raw
from .series import Series, check_lags, moments

_BYTES = 2**26
"""What the variables of pairs that are estimated at once may take."""
_LEAST = 1e-10
"""Share of variance that remains of what is determined but for rounding."""


class Conditional(Protocol):
    """An estimator with its random numbers, as analyses get it."""

    def conditional(self, x: Variable, y: Variable, z: Variable) -> Estimate: ...


@torch.no_grad()
def transfer_entropy(series: Series, lags: Sequence[int] = (1,), *, ranks: bool = True) -> Tensor:
    """TE_ij in bits (lags, nodes, nodes) in closed form for Gaussian variables, NaN on the diagonal; may be a little below 0.

    ``ranks`` replaces every column by its normal scores first (a Gaussian copula, Ince et al. 2017, Hum. Brain Mapp. 38, 1541).
    The bias that Gaussian samples have is taken off. Raises ValueError for lags that do not fit.
    """
    lags = check_lags(lags, series.time, series.trials)
    found = torch.stack([_closed_form(series.values, lag, lags[-1], ranks=ranks) for lag in lags])
    return found.masked_fill(torch.eye(series.nodes, dtype=torch.bool, device=found.device), torch.nan)


def transfer_statistic(lags: Sequence[int], *, ranks: bool = True) -> Statistic:
    """The mean over ``lags`` of the same, for a whole batch of series at once; 0 on the diagonal."""

    def statistic(values: Tensor) -> Tensor:
        checked = check_lags(lags, values.shape[-2], values.shape[-3])
        return torch.stack([_closed_form(values, lag, checked[-1], ranks=ranks) for lag in checked]).mean(0)

    return statistic


@torch.no_grad()
def transfer_by(series: Series, estimator: Conditional, lags: Sequence[int] = (1,)) -> Tensor:
    """TE_ij in bits (lags, nodes, nodes) by the operation ``conditional`` of any estimator, NaN on the diagonal.

    Many pairs are one call, as many as fit the memory. Raises ValueError for lags that do not fit.
    """
    lags = check_lags(lags, series.time, series.trials)
    size = series.nodes
    sources, targets = (~torch.eye(size, dtype=torch.bool)).nonzero().to(series.values.device).T
    now = moments(series.values, 0, lags[-1])
    step = max(1, _BYTES // (3 * now.element_size() * len(now)))
    found = torch.full((len(lags), size, size), torch.nan, dtype=torch.float64, device=now.device)
    for n, lag in enumerate(lags):
        then, before = (moments(series.values, at, lags[-1]) for at in (lag, lag - 1))
        for i, j in zip(sources.split(step), targets.split(step), strict=True):
            x, y, z = (Variable.continuous(v.T[k][..., None]) for v, k in ((now, i), (then, j), (before, j)))
            found[n, i, j] = raw(estimator.conditional(x, y, z))
    return found


def _closed_form(values: Tensor, lag: int, longest: int, *, ranks: bool) -> Tensor:
    """TE in bits (..., nodes, nodes) of ``values`` (..., trials, time, nodes), 0 on the diagonal."""
    now, then, before = (_standardised(moments(values, at, longest), ranks=ranks) for at in (0, lag, lag - 1))
    rows = now.shape[-2]
    lagged, given = (now.mT @ other / rows for other in (then, before))
    own = (then * before).mean(-2)[..., None, :]
    left = (1 - given.square()) * (1 - own.square())
    varies = (now.square().mean(-2)[..., :, None] > 0) & (then.square().mean(-2)[..., None, :] > 0)
    undecided = varies & (left > _LEAST)
    rho = torch.where(undecided, (lagged - given * own) / left.clamp(min=_LEAST).sqrt(), 0)
    bits = -torch.log1p(-rho.square().clamp(max=1 - _LEAST)) / (2 * log(2))
    # What is read on average between independent Gaussian columns, as ``gaussian:bias_corrected=true`` takes it off.
    halves = torch.tensor([(rows - 2) / 2, (rows - 3) / 2], dtype=torch.float64).digamma()
    bias = torch.where(undecided, float(halves[0] - halves[1]) / (2 * log(2)), 0)
    return (bits - bias).masked_fill(torch.eye(rho.shape[-1], dtype=torch.bool, device=rho.device), 0)


def _standardised(columns: Tensor, *, ranks: bool) -> Tensor:
    """Columns (..., rows, nodes) with mean 0 and variance 1, of their normal scores with ``ranks``; constants are 0."""
    columns = columns.double()
    if ranks:
        order = torch.from_numpy(rankdata(columns.cpu().numpy(), axis=-2)).to(columns.device)
        columns = torch.special.ndtri(order / (columns.shape[-2] + 1))
    centred = columns - columns.mean(-2, keepdim=True)
    deviation = centred.square().mean(-2, keepdim=True).sqrt()
    return centred / torch.where(deviation > 0, deviation, 1)
