"""Whether levels of nodes fall into layers: clusters with gaps between them, tighter than levels drawn at random have.

The gap statistic of Tibshirani, Walther & Hastie 2001 (J. R. Stat. Soc. B 63, 411) on one dimension: Gap(k) = ⟨log W_k⟩ of
levels drawn uniformly over the same range − log W_k, W_k the least sum of squares within k clusters. On a line the least is
found exactly, by dynamic programming over the sorted levels (Fisher 1958, J. Am. Stat. Assoc. 53, 789). The number of clusters
is that at which the gap rises most. Their rule, the first k that is not clearly worse than k + 1, stops at one cluster where
layers are evenly spaced, which two clusters fit worse than they fit levels at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_MOST = 10
"""Layers that are looked for at most, and no more than half of the nodes."""
_FLOOR = 1e-12
"""Share of the whole sum of squares that a sum within clusters is taken for at least."""


@dataclass(frozen=True, slots=True)
class Layering:
    """Layers among the levels of nodes.

    ``p_value`` is how often uniform levels are clustered as much, by the largest of Gap(k) in units of its deviation; ``count``
    is the number of clusters, of which nothing is to be made unless the p-value is small. ``layer`` (nodes,) numbers them from 0
    at the lowest, −1 without a level. ``gap`` and ``deviation`` (counts,) are Gap(k) and its deviation for k = 1, 2, ...
    Fewer than four levels, and levels that are all equal, have no layers: a count of 1 and NaN.
    """

    count: int
    layer: Tensor
    gap: Tensor
    deviation: Tensor
    p_value: float


@torch.no_grad()
def layering(height: Tensor, *, references: int = 199, rng: torch.Generator) -> Layering:
    """Layers of the levels ``height`` (nodes,), against ``references`` sets of as many levels, uniform over their range."""
    height = height.double().cpu()
    known = height.isfinite()
    levels = height[known].sort().values
    layer = torch.full(height.shape, -1).masked_fill(known, 0)
    most = min(_MOST, len(levels) // 2)
    if most < 2 or float(levels[-1] - levels[0]) <= 0:
        return Layering(1, layer, torch.zeros(1), torch.zeros(1), float("nan"))
    drawn = torch.rand(references, len(levels), generator=rng, dtype=torch.float64).sort(-1).values
    sets = torch.cat([levels[None], drawn])
    # Each set over its own range, because the lowest and the highest of the levels are themselves of the data.
    sets = (sets - sets[:, :1]) / (sets[:, -1:] - sets[:, :1])
    within = _within(sets, most)[0].log()
    mean, deviation = within[1:].mean(0), within[1:].std(0, correction=0)
    standardised = ((mean - within) / deviation)[:, 1:]  # one cluster is no evidence of layers
    evidence = standardised.amax(-1)
    gap = mean - within[0]
    p_value = (1 + int((evidence[1:] >= evidence[0]).sum())) / (1 + references)
    count = int(gap.diff().argmax()) + 2
    cuts = torch.tensor(_cuts(levels, count), dtype=torch.float64)
    layer[known] = torch.bucketize(height[known], cuts, right=True)
    return Layering(count, layer, gap, deviation, p_value)


def _within(levels: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The least sum of squares in 1, 2, ... ``most`` clusters of sorted ``levels`` (sets, nodes): (sets, most).

    And where the last cluster of the first k levels begins, for each number of clusters: (sets, most, nodes + 1).
    """
    sets, nodes = levels.shape
    centred = levels - levels.mean(-1, keepdim=True)
    sums, squares = (torch.nn.functional.pad(v.cumsum(-1), (1, 0)) for v in (centred, centred.square()))
    sizes = torch.arange(nodes + 1)
    size = (sizes - sizes[:, None]).clamp(min=1)
    # cost[i, j] is the sum of squares of the levels i to j − 1 around their mean.
    cost = squares[:, None] - squares[:, :, None] - (sums[:, None] - sums[:, :, None]).square() / size
    cost = cost.clamp_(min=0).masked_fill_(sizes <= sizes[:, None], torch.inf)
    best = torch.where(sizes > 0, cost[:, 0], torch.inf)
    found, starts = [best[:, -1]], [torch.zeros(sets, nodes + 1, dtype=torch.long)]
    for _ in range(1, most):
        best, start = (best[:, :, None] + cost).min(1)
        found.append(best[:, -1])
        starts.append(start)
    within = torch.stack(found, -1)
    return within.maximum(_FLOOR * within[:, :1]), torch.stack(starts, 1)


def _cuts(levels: Tensor, count: int) -> list[float]:
    """The lowest level of each cluster but the first, of ``count`` clusters of sorted ``levels`` (nodes,)."""
    starts = _within(levels[None], count)[1][0]
    end, cuts = len(levels), list[float]()
    for k in range(count - 1, 0, -1):
        end = int(starts[k, end])
        cuts.append(float(levels[end]))
    return cuts[::-1]
