"""An order of nodes from the net flow between them: trophic levels, and plain outflow beside them.

MacKay, Johnson & Sansom 2020, "How directed is a directed network?", R. Soc. Open Sci. 7, 201138. With W_ij ≥ 0 what passes from
i to j, u = W_in + W_out and v = W_in − W_out, the levels h solve (diag u − W − Wᵀ) h = v, which makes the incoherence
F₀ = ΣW_ij (h_j − h_i − 1)² / ΣW_ij least: 0 where everything passes up by exactly one level, 1 where nothing has a direction.

Here W = max(N, 0)^power, N the net flow. Of most pairs of nodes N is noise, which max(N, 0) adds up over all of them. Squares
weigh a misfit by the square of the flow that it contradicts: what is planted is found as well or better with each estimator, and
with noisy ones far better (``docs/flow.md``). With the power 1 the weights are bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil, log2
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Levels:
    """``height`` (..., nodes), 0 at the source of each connected part and NaN for nodes without any flow.

    ``component`` (..., nodes) numbers the parts by their first node: levels of different parts cannot be compared.
    ``incoherence`` (...) is F₀, between 0 and 1; NaN without any flow.
    """

    height: Tensor
    component: Tensor
    incoherence: Tensor


@torch.no_grad()
def trophic_levels(net: Tensor, *, power: float = 2) -> Levels:
    """Levels of nodes from the net flow between them ``net`` (..., nodes, nodes), antisymmetric; a whole batch at once.

    Raises ValueError for a power that is not positive.
    """
    if not power > 0:
        raise ValueError(f"flows are weighted by a positive power of them, not {power}")
    weight = net.double().clamp(min=0)
    # Scaled before the power, so that the squares of small flows are not lost in rounding.
    weight = (weight / weight.amax((-2, -1), keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)) ** power
    both = weight + weight.mT
    total, surplus = both.sum(-1), weight.sum(-2) - weight.sum(-1)
    reach = _reachable(both > 0)
    size = reach.sum(-1, dtype=weight.dtype)
    # A constant within each part is left open by the equations. Adding the mean over the part to them fixes it at 0, and
    # dividing by the part's largest u keeps parts with little flow as precise as those with much.
    scale = torch.where(reach, total[..., None, :], 0).amax(-1)
    scale = torch.where(scale > 0, scale, 1)
    laplacian = (torch.diag_embed(total) - both) / scale[..., None]
    height = torch.linalg.solve(laplacian + reach / size[..., None], surplus / scale)
    height = height - torch.where(reach, height[..., None, :], torch.inf).amin(-1)
    misfit = weight * (height[..., None, :] - height[..., :, None] - 1).square()
    incoherence = misfit.sum((-2, -1)) / weight.sum((-2, -1))
    component = reach.to(torch.uint8).argmax(-1)
    return Levels(height.masked_fill(size == 1, torch.nan), component, incoherence)


def outflow(net: Tensor) -> Tensor:
    """The mean over all others of the net flow out of each node, ``net`` (..., nodes, nodes) to (..., nodes): sources are high.

    The order that raw flow gives. It finds the ends of a chain and not what is between them: a node in the middle passes on as
    much as it takes.
    """
    return net.sum(-1) / max(net.shape[-1] - 1, 1)


def expected_order(height: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """The share of pairs of nodes from different groups that stand in the order of the groups: (..., nodes) to (...).

    Equal levels count half. Nodes without a level are left out; NaN without any pair.
    """
    right = torch.zeros(height.shape[:-1], dtype=torch.float64, device=height.device)
    pairs = torch.zeros_like(right)
    for lower, upper in combinations([list(group) for group in groups], 2):
        rise = height[..., None, upper] - height[..., lower, None]
        right += ((rise > 0) + 0.5 * (rise == 0)).sum((-2, -1))
        pairs += rise.isfinite().sum((-2, -1))
    return right / pairs


@dataclass(frozen=True, slots=True)
class GroupOrder:
    """How groups stand to each other on the levels.

    ``fraction`` of the pairs from different groups are in the expected order, 0.5 by chance; ``p_value`` is how often groups
    drawn at random reach it, (1 + reached) / (1 + permutations). ``between`` has the fraction for every two groups, ``medians``
    the median level of each.
    """

    fraction: float
    p_value: float
    between: Mapping[tuple[str, str], float]
    medians: Mapping[str, float]


def group_order(
    height: Tensor, groups: Mapping[str, Sequence[int]], *, permutations: int = 999, rng: torch.Generator
) -> GroupOrder:
    """Whether ``groups``, two or more, stand on the levels ``height`` (nodes,) in the order in which they are given.

    The null exchanges nodes between groups. Raises ValueError for fewer groups.
    """
    if len(groups) < 2:
        raise ValueError("an order of groups needs two of them")
    height = height.double().cpu()
    members = list(groups.values())
    everyone = torch.tensor([i for group in members for i in group])
    found = expected_order(height, members)
    drawn = torch.rand(permutations, len(everyone), generator=rng, dtype=torch.float64).argsort(-1)
    exchanged = height.expand(permutations, -1).clone()
    exchanged[:, everyone] = height[everyone][drawn]
    reached = int((expected_order(exchanged, members) >= found - 1e-12).sum())
    pairs = combinations(groups.items(), 2)
    return GroupOrder(
        float(found),
        float("nan") if bool(found.isnan()) else (1 + reached) / (1 + permutations),
        {(a, b): float(expected_order(height, [lower, upper])) for (a, lower), (b, upper) in pairs},
        {name: float(height[list(nodes)].nanmedian()) for name, nodes in groups.items()},
    )


def agreement(height: Tensor, other: Tensor) -> float:
    """Kendall's τ-b between two orders (nodes,) of the same nodes: 1 where they agree, 0 where they have nothing in common.

    Nodes that lack a level in either are left out. NaN for fewer than two.
    """
    a, b = (np.asarray(h.double().cpu()) for h in (height, other))
    both = np.isfinite(a) & np.isfinite(b)
    found: Any = kendalltau(a[both], b[both]) if both.sum() > 1 else None
    return float("nan") if found is None else float(found.statistic)


def _reachable(linked: Tensor) -> Tensor:
    """Which nodes are in one connected part, (..., nodes, nodes) boolean, each with itself."""
    nodes = linked.shape[-1]
    reach = linked | torch.eye(nodes, dtype=torch.bool, device=linked.device)
    for _ in range(ceil(log2(max(nodes, 2)))):  # paths of 1, 2, 4, ... steps
        if bool(reach.all()):
            break
        steps = reach.float()
        reach = steps @ steps > 0
    return reach
