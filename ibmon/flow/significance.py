"""What of a flow would be seen without one: tests of its direction, of single pairs of nodes and of the order.

p-values are (1 + surrogates that reach what was found) / (1 + surrogates) and never 0 (Phipson & Smyth 2010, Stat. Appl. Genet.
Mol. Biol. 9, 39). Those of pairs are given twice: alone, and over all pairs together by the largest of standardised statistics
(Westfall & Young 1993, "Resampling-based multiple testing").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .levels import trophic_levels
from .matrices import Pairwise, Statistic, net_of
from .series import Series, check_lags, moments
from .surrogates import LEAST_TRIALS, block_numbers, circularly_shifted, exchanges, halves, trials_shuffled

_BYTES = 2**26
"""What surrogates that are estimated at once may take."""
BLOCKS = 20
"""Blocks into which a series is divided: few enough to be longer than what it remembers."""

Tell = Callable[[float], None]
"""Told the share that is done."""


def silent(share: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Direction:
    """Whether the net flow exceeds that of a process which looks the same backwards in time.

    ``strength`` is Σ|N_ij| over the pairs of nodes in bits, ``null`` (surrogates,) what exchanged moments give; ``p_value``
    is one-sided.
    ``incoherence`` is F₀ of the trophic levels, low where there is an order, with ``null_incoherence`` (surrogates,) and
    ``p_incoherence``. ``pair_p`` and ``pair_p_all`` (nodes, nodes), symmetric, are p-values of |N_ij|, alone and over all pairs.
    """

    strength: float
    null: Tensor
    p_value: float
    incoherence: float
    null_incoherence: Tensor
    p_incoherence: float
    pair_p: Tensor
    pair_p_all: Tensor
    blocks: int


@torch.no_grad()
def direction(
    series: Series,
    estimator: Pairwise,
    lags: Sequence[int] = (1,),
    *,
    net: Tensor | None = None,
    power: float = 2,
    surrogates: int = 199,
    blocks: int = BLOCKS,
    rng: torch.Generator,
    tell: Tell = silent,
) -> Direction:
    """Test the net flow against reversibility in time: in random blocks (x(t), x(t + τ)) are exchanged, for all τ alike.

    ``net`` (nodes, nodes) is ``Flows.net`` where it is known already, ``power`` that of ``trophic_levels``. What is rejected is
    reversibility: causes are not shown by it, and a common driver that reaches nodes at different times is a direction too.
    Raises ValueError for lags that do not fit and fewer than one surrogate or two blocks.
    """
    lags = check_lags(lags, series.time, series.trials)
    _check(surrogates, blocks)
    length = series.time - lags[-1]
    numbers = block_numbers(series.trials, length, blocks).to(series.values.device)
    swapped = exchanges(numbers.cpu(), surrogates, rng).to(series.values.device)
    now = moments(series.values, 0, lags[-1])
    if net is None:
        net = torch.stack([net_of(estimator, now, moments(series.values, lag, lags[-1])) for lag in lags]).mean(0)
    drawn: list[Tensor] = []
    for some in swapped.split(_at_once(2 * now.numel() * now.element_size())):
        nets: list[Tensor] = []
        for lag in lags:
            then = moments(series.values, lag, lags[-1])
            exchanged = some[..., None]
            nets.append(net_of(estimator, torch.where(exchanged, then, now), torch.where(exchanged, now, then)))
        drawn.append(torch.stack(nets).mean(0))
        tell(sum(len(part) for part in drawn) / surrogates)
    nulls = torch.cat(drawn)
    upper = torch.ones_like(net).triu(1)
    strength, null = ((matrix.abs() * upper).sum((-2, -1)) for matrix in (net, nulls))
    incoherence, null_incoherence = (trophic_levels(matrix, power=power).incoherence for matrix in (net, nulls))
    pair_p, pair_p_all = _pairs(net.abs(), nulls.abs(), centred=False)  # the sign of N is a coin's among the surrogates
    return Direction(
        float(strength),
        null,
        _share(null >= strength),
        float(incoherence),
        null_incoherence,
        _share(null_incoherence <= incoherence) if bool(incoherence.isfinite()) else 1.0,
        pair_p,
        pair_p_all,
        int(numbers.max()) + 1,
    )


@dataclass(frozen=True, slots=True)
class Dependence:
    """Whether single pairs of nodes have anything to do with each other.

    ``value`` (nodes, nodes) is the statistic, row i at t and column j later; ``null`` (nodes, nodes) its mean over surrogates in
    which the nodes have nothing in common. ``p`` and ``p_all`` (nodes, nodes), one-sided, alone and over all ordered pairs; NaN
    on the diagonal.
    """

    value: Tensor
    null: Tensor
    p: Tensor
    p_all: Tensor
    surrogates: str


@torch.no_grad()
def dependence(
    series: Series, statistic: Statistic, *, surrogates: int = 199, rng: torch.Generator, tell: Tell = silent
) -> Dependence:
    """Test every ordered pair of nodes against independence of their series, each of which keeps what it is by itself.

    ``statistic`` is ``delayed_information(estimator, lags)`` or ``transfer_statistic(lags)``. From 20 trials on every node's
    trials are exchanged, below that its time is shifted in a circle. The former leaves what trials have in common by their time,
    such as a common stimulus, in the null. Raises ValueError for fewer than one surrogate.
    """
    _check(surrogates, 2)
    shuffle = series.trials >= LEAST_TRIALS
    draw = trials_shuffled if shuffle else circularly_shifted
    value = statistic(series.values[None])[0]
    drawn: list[Tensor] = []
    step = _at_once(4 * series.values.numel() * series.values.element_size())
    for first in range(0, surrogates, step):
        some = min(step, surrogates - first)
        drawn.append(statistic(draw(series.values, some, rng)))
        tell((first + some) / surrogates)
    nulls = torch.cat(drawn)
    # Of independent series an information has the tail of a squared normal variable, so that its root is what is standardised:
    # the largest of all pairs would be that of the pair with the longest tail.
    root, roots = (matrix.sign() * matrix.abs().sqrt() for matrix in (value, nulls))
    p, p_all = _pairs(root, roots, centred=True)
    return Dependence(value, nulls.mean(0), p, p_all, "trials exchanged" if shuffle else "shifted in circles")


@dataclass(frozen=True, slots=True)
class Order:
    """How sure an order is: levels of random halves of the blocks.

    ``before`` (nodes, nodes) is the share of halves in which i stands below j, equal levels counted half; ½ on the diagonal.
    ``lower`` and ``upper`` (nodes,) hold the middle 90 % of the levels, and ``draws`` (draws, nodes) all of them.
    """

    before: Tensor
    lower: Tensor
    upper: Tensor
    draws: Tensor


@torch.no_grad()
def order(
    series: Series,
    estimator: Pairwise,
    lags: Sequence[int] = (1,),
    *,
    power: float = 2,
    draws: int = 100,
    blocks: int = BLOCKS,
    rng: torch.Generator,
    tell: Tell = silent,
) -> Order:
    """P(i before j), from trophic levels of ``draws`` random halves of the blocks.

    Half of the blocks, each once, scatter around all of them as these do around the truth (the delete-half jackknife, Shao & Wu
    1989, Ann. Stat. 17, 1176), as the draws of a block bootstrap do; but those hold rows twice, which nearest-neighbour
    estimators take for perfect dependence. Raises ValueError for lags that do not fit and fewer than one draw or two blocks.
    """
    lags = check_lags(lags, series.time, series.trials)
    _check(draws, blocks)
    numbers = block_numbers(series.trials, series.time - lags[-1], blocks)
    kept = halves(numbers, draws, rng).to(series.values.device)
    now = moments(series.values, 0, lags[-1])
    found: list[Tensor] = []
    for mask in kept.split(_at_once(2 * now.numel() * now.element_size())):
        left = now.expand(len(mask), -1, -1)
        laters = (moments(series.values, lag, lags[-1]).expand_as(left) for lag in lags)
        nets = torch.stack([net_of(estimator, left, then, mask) for then in laters]).mean(0)
        found.append(trophic_levels(nets, power=power).height)
        tell(sum(len(part) for part in found) / draws)
    heights = torch.cat(found)
    rise = heights[:, None, :] - heights[:, :, None]
    before = ((rise > 0) + 0.5 * (rise == 0)).double().masked_fill(rise.isnan(), torch.nan).nanmean(0)
    before.fill_diagonal_(0.5)
    lower, upper = (heights.nanquantile(q, 0) for q in (0.05, 0.95))
    return Order(before, lower, upper, heights)


def _pairs(value: Tensor, nulls: Tensor, *, centred: bool) -> tuple[Tensor, Tensor]:
    """p-values of every pair (nodes, nodes), alone and over all pairs, of what is large; NaN on the diagonal.

    Pairs are made comparable by what was found and the surrogates together: in units of the surrogates alone what was found
    would be the only one that did not contribute to its unit, and too often the largest.
    """
    diagonal = torch.eye(len(value), dtype=torch.bool, device=value.device)
    together = torch.cat([value[None], nulls])
    if centred:
        together = together - together.mean(0)
    unit = together.square().mean(0).sqrt()
    together = together / torch.where(unit > 0, unit, torch.inf)
    found, drawn = together[0], together[1:]
    largest = drawn.masked_fill(diagonal, -torch.inf).amax((-2, -1))
    alone = (1 + (nulls >= value).sum(0).double()) / (1 + len(nulls))
    over_all = (1 + (largest[:, None, None] >= found).sum(0).double()) / (1 + len(nulls))
    return alone.masked_fill(diagonal, torch.nan), over_all.masked_fill(diagonal, torch.nan)


def _share(reached: Tensor) -> float:
    return (1 + int(reached.sum())) / (1 + len(reached))


def _at_once(size: int) -> int:
    return max(1, _BYTES // max(size, 1))


def _check(count: int, blocks: int) -> None:
    if count < 1:
        raise ValueError(f"a test needs at least one surrogate, not {count}")
    if blocks < 2:
        raise ValueError(f"a series is divided into two blocks or more, not {blocks}")
