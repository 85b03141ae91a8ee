"""Delayed and instantaneous information of all pairs of nodes, and the flow that is left of their difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy.stats import differential_entropy
from torch import Tensor

from ibmon.tensors import Estimate, Variable

from .series import Series, check_lags, moments

Statistic = Callable[[Tensor], Tensor]
"""Takes (batch, trials, time, nodes) and gives a number for every pair (batch, nodes, nodes), large where there is something."""


class Pairwise(Protocol):
    """An estimator with its random numbers, as analyses get it (``estimator.pairwise(x, y, lag=...)``)."""

    def pairwise(self, x: Variable, y: Variable, *, lag: int = 0) -> Estimate: ...


@dataclass(frozen=True, slots=True)
class Flows:
    """Information between all ordered pairs of nodes in bits, from the same rows throughout, as estimated before clipping.

    ``tdmi`` (lags, nodes, nodes) is I(x_i(t); x_j(t + τ)), row i and column j; its diagonal is what a node remembers.
    ``instantaneous`` (nodes, nodes) is I(x_i(t); x_j(t)). ``flags`` (nodes, nodes) are what the estimator raised at any lag.
    """

    lags: tuple[int, ...]
    tdmi: Tensor
    instantaneous: Tensor
    flags: Mapping[str, Tensor]
    rows: int

    @property
    def excess(self) -> Tensor:
        """F = TDMI − I(x_i(t); x_j(t)), (lags, nodes, nodes); NaN on the diagonal, where the latter is no information."""
        flow = self.tdmi - self.instantaneous
        return flow.masked_fill(torch.eye(flow.shape[-1], dtype=torch.bool, device=flow.device), torch.nan)

    @property
    def net_by_lag(self) -> Tensor:
        """N = F − Fᵀ (lags, nodes, nodes). The instantaneous information is symmetric and cancels."""
        return self.tdmi - self.tdmi.mT

    @property
    def net(self) -> Tensor:
        """The mean of N over the lags (nodes, nodes): positive where more passes from i to j than back."""
        return self.net_by_lag.mean(0)


@torch.no_grad()
def flows(series: Series, estimator: Pairwise, lags: Sequence[int] = (1,)) -> Flows:
    """Delayed and instantaneous information of all pairs, as in Ivanovic, Kha & Muruganantham, "Analyzing information in RNNs".

    Rows are the moments that have one ``max(lags)`` steps later in their trial, whatever the lag.
    Raises ValueError for lags that do not fit, and where the estimator gives something else than numbers in bits.
    """
    lags = check_lags(lags, series.time, series.trials)
    now = moments(series.values, 0, lags[-1])
    instantaneous = _information(estimator, now, None)
    found = [_information(estimator, now, moments(series.values, lag, lags[-1])) for lag in lags]
    tdmi = torch.stack([raw(estimate) for estimate in found])
    apart = ~torch.eye(series.nodes, dtype=torch.bool, device=tdmi.device)
    if not bool(tdmi[:, apart].isfinite().all()):
        raise ValueError(f"the estimator gives no number for some pairs of nodes in {len(now)} rows")
    names = {name for estimate in found for name in estimate.flags}
    nothing = torch.zeros_like(apart)
    flags = {n: torch.stack([f.flags.get(n, nothing).broadcast_to(apart.shape) for f in found]).any(0) for n in sorted(names)}
    return Flows(lags, tdmi, raw(instantaneous), flags, len(now))


def delayed_information(estimator: Pairwise, lags: Sequence[int]) -> Statistic:
    """The mean over ``lags`` of I(x_i(t); x_j(t + τ)) in bits, for a whole batch of series at once."""

    def statistic(values: Tensor) -> Tensor:
        checked = check_lags(lags, values.shape[-2], values.shape[-3])
        now = moments(values, 0, checked[-1])
        later = (moments(values, lag, checked[-1]) for lag in checked)
        return torch.stack([raw(_information(estimator, now, then)) for then in later]).mean(0)

    return statistic


def net_of(estimator: Pairwise, now: Tensor, then: Tensor, mask: Tensor | None = None) -> Tensor:
    """I(now_i; then_j) − I(now_j; then_i) in bits (..., nodes, nodes), of rows (..., rows, nodes) where ``mask`` says so."""
    found = raw(_information(estimator, now, then, mask))
    return found - found.mT


def entropies(series: Series) -> Tensor:
    """Differential entropy of each node in bits (nodes,), from spacings of its sorted values (Vasicek 1976), as scipy has it.

    −∞ where equal values are so many that there is no density, as in columns that were rounded, and of constants.
    """
    rows = series.values.flatten(0, 1).double().cpu().numpy()
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.atleast_1d(differential_entropy(rows, axis=0, base=2)))


def raw(estimate: Estimate) -> Tensor:
    """The estimate before clipping, because clipping makes sums and differences of small numbers too large."""
    return (estimate.value if estimate.raw is None else estimate.raw).double()


def _information(estimator: Pairwise, now: Tensor, then: Tensor | None, mask: Tensor | None = None) -> Estimate:
    """All pairs of columns; without ``then`` of ``now`` with itself, said to be the same so that half of it is enough."""
    x = Variable.continuous(now, mask)
    estimate = estimator.pairwise(x, x if then is None else Variable.continuous(then, mask), lag=0)
    if estimate.unit != "bits":
        raise ValueError(f"information flow is in bits, and this estimator gives {estimate.unit or 'another unit'}")
    return estimate
