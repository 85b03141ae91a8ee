"""Gaussian copula information: Gaussian information of ranks, a lower bound whatever the marginal distributions are.

Ince et al. 2017 (Human Brain Mapping 38, 1541), section 2: every column is replaced by Φ⁻¹(rank / (N + 1)), which keeps its
information about other variables and makes it Gaussian. Among variables of given correlation and Gaussian marginals the
Gaussian has the least information, so that what the scores are read to have is a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ibmon import Estimate, Variable

from .bases import Method
from .gaussian import conditional, information, pairwise
from .nulls import check_permutations
from .samples import order_of

CHUNK = {"cpu": 2**17}
"""Values that are ranked at once: a few megabytes stay in the cache of a core."""


@dataclass(frozen=True, slots=True)
class Copula:
    """Gaussian copula information in bits: that of ``Gaussian`` for the normal scores of every column.

    Equal values share the mean of their ranks, so that the order of the samples does not matter, and are flagged ``ties``:
    scores of discrete data are not Gaussian, and the lower bound is then none. ``bias_corrected`` and ``permutations`` are
    those of ``Gaussian``. Raises ValueError for a negative number of permutations.
    """

    bias_corrected: bool = True
    permutations: int = 0

    def __post_init__(self) -> None:
        check_permutations(self.permutations, "copula")

    def _method(self) -> Method:
        return Method("copula", self.bias_corrected, self.permutations, normal_scores)

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """I(x; y) for each of ``ys``; see ``gaussian.information``."""
        return information(self._method(), x, ys, rng)

    def conditional(self, x: Variable, y: Variable, z: Variable, *, rng: torch.Generator) -> Estimate:
        """I(x; y | z); see ``gaussian.conditional``."""
        return conditional(self._method(), x, y, z, rng)

    def pairwise(self, x: Variable, y: Variable, *, lag: int = 0, rng: torch.Generator) -> Estimate:
        """I(x_i(t); y_j(t + lag)) of every pair of columns, ranked over the times that are paired; see ``gaussian.pairwise``."""
        return pairwise(self._method(), x, y, lag, rng)


def normal_scores(values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Φ⁻¹(rank / (N + 1)) of each column of ``values`` (elements, samples, units), and which columns have ties.

    Scores are float64 of the same shape, NaN throughout a column that is not finite; what they are where ``mask``
    (elements, samples) is False means nothing. Ties are (elements, units).
    """
    elements, size, units = values.shape
    scores = torch.empty(elements, size, units, dtype=torch.float64, device=values.device)
    ties = torch.zeros(elements, units, dtype=torch.bool, device=values.device)
    step = max(1, CHUNK.get(values.device.type, 2**22) // max(1, elements * size))
    for first in range(0, units, step):
        block = slice(first, first + step)
        scores[..., block], ties[..., block] = _scores(values[..., block], mask)
    return scores, ties


def _scores(values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    columns = values.mT.contiguous()
    size = columns.shape[-1]
    place = torch.arange(size, device=values.device)
    bad = ~columns.isfinite()
    count = torch.full((1, 1, 1), float(size), dtype=torch.float64, device=values.device)
    if mask is not None:
        bad &= mask[:, None]
        columns = columns.masked_fill(~mask[:, None], torch.inf)  # after all that is data
        count = mask.sum(-1, dtype=torch.float64)[:, None, None]
    order = order_of(columns)
    ordered = columns.gather(-1, order)
    same = (ordered[..., 1:] == ordered[..., :-1]) & (place[1:] < count)
    # Twice the mean of the first and the last place of a run of equal values, both counted from 0: an index of halves.
    twice = (2 * place).expand(columns.shape)
    if bool(same.any()):
        apart = torch.ones_like(same[..., :1])
        start = torch.where(torch.cat([apart, ~same], -1), place, 0).cummax(-1).values
        stop = torch.where(torch.cat([~same, apart], -1), place, size).flip(-1).cummin(-1).values.flip(-1)
        twice = start + stop
    ranks = 1 + torch.arange(2 * size, dtype=torch.float64, device=values.device) / 2
    table = torch.special.ndtri(ranks / (count + 1))
    scores = table.expand(*columns.shape[:2], 2 * size).gather(-1, twice)
    scores = torch.empty_like(scores).scatter_(-1, order, scores)
    return scores.masked_fill_(bad.any(-1, keepdim=True), torch.nan).mT, same.any(-1)
