"""Everything that is asked of one series, and what may be concluded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import torch
from torch import Tensor

from .layers import Layering, layering
from .levels import GroupOrder, Levels, agreement, group_order, outflow, trophic_levels
from .matrices import Flows, Pairwise, delayed_information, entropies, flows
from .series import Series
from .significance import BLOCKS, Dependence, Direction, Order, Tell, dependence, direction, order, silent
from .transfer import transfer_entropy

LEVEL = 0.05
"""p-value up to which something is taken to be shown."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What passes from one node to another, in bits and as means over the lags; ``p`` is that of |net| over all pairs."""

    source: str
    target: str
    net: float
    delayed: float
    instantaneous: float
    transfer: float
    p: float
    p_dependence: float


@dataclass(frozen=True, slots=True)
class Study:
    """What was found about ``series``: see the parts.

    ``transfer`` (lags, nodes, nodes), ``entropy`` (nodes,) and ``outflow`` (nodes,) are in bits. ``groups`` is
    None for fewer than two groups; ``agreement`` is Kendall's τ between the levels and the order of the outflow.
    """

    series: Series
    flows: Flows
    entropy: Tensor
    levels: Levels
    outflow: Tensor
    agreement: float
    transfer: Tensor
    direction: Direction
    dependence: Dependence
    order: Order
    groups: GroupOrder | None
    layers: Layering

    @property
    def directed(self) -> bool:
        """Whether the flow is shown to have a direction."""
        return self.direction.p_value <= LEVEL

    @property
    def layered(self) -> bool:
        """Whether, beside a direction, layers are shown."""
        return self.directed and self.layers.p_value <= LEVEL

    def edges(self, most: int | None = None) -> list[Edge]:
        """Pairs of nodes in the direction of their net flow, the strongest first."""
        net, names = self.flows.net, self.series.names
        delayed, transfer = self.flows.tdmi.mean(0), self.transfer.mean(0)
        strongest = net.flatten().argsort(descending=True, stable=True)
        pairs = ((int(k) // len(names), int(k) % len(names)) for k in strongest[:most] if net.flatten()[k] > 0)
        matrices = (net, delayed, self.flows.instantaneous, transfer, self.direction.pair_p_all, self.dependence.p_all)
        return [Edge(names[i], names[j], *(float(m[i, j]) for m in matrices)) for i, j in pairs]

    def verdicts(self) -> dict[str, str]:
        """What may be said of the direction, of the groups, of layers, and what may not: a sentence each, by subject."""
        found, layers = self.direction, self.layers
        times = found.strength / float(found.null.mean()) if bool(found.null.mean() > 0) else 0.0
        told = f"net flow {times:.1f} times that of moments exchanged in {found.blocks} blocks, p = {found.p_value:.3g}"
        said = {"direction": f"yes: {told}" if self.directed else f"cannot be told: {told}"}
        if self.groups is not None and not isnan(self.groups.fraction):
            share = f"{100 * self.groups.fraction:.0f} % of the pairs of nodes stand as expected"
            names = " < ".join(self.series.groups)
            sure = self.directed and self.groups.p_value <= LEVEL
            said["groups"] = f"{names}: {'yes' if sure else 'cannot be told'}, {share}, p = {self.groups.p_value:.3g}"
        if isnan(layers.p_value):
            said["layers"] = "too few levels to tell"
        elif self.layered:
            said["layers"] = f"{layers.count} clusters of levels, p = {layers.p_value:.3g}"
        else:
            why = f"levels are spread as levels at random are, p = {layers.p_value:.3g}" if self.directed else "there is no order"
            said["layers"] = f"none to be seen: {why}"
        said["caution"] = "a direction is no cause: a common driver that reaches nodes at different times has one too"
        return said


def study(
    series: Series,
    estimator: Pairwise,
    lags: Sequence[int] = (1,),
    *,
    power: float = 2,
    surrogates: int = 199,
    draws: int = 100,
    blocks: int = BLOCKS,
    rng: torch.Generator,
    tell: Tell = silent,
) -> Study:
    """Ask everything of one series; equal generators give equal answers. ``tell`` is told the share that is done.

    Raises ValueError as its parts do.
    """
    work = 2 * surrogates + draws

    def share(first: int, count: int) -> Tell:
        return lambda done: tell((first + done * count) / work)

    found = flows(series, estimator, lags)
    net = found.net
    levels = trophic_levels(net, power=power)
    out = outflow(net)
    directed = direction(
        series,
        estimator,
        found.lags,
        net=net,
        power=power,
        surrogates=surrogates,
        blocks=blocks,
        rng=rng,
        tell=share(0, surrogates),
    )
    information = delayed_information(estimator, found.lags)
    dependent = dependence(series, information, surrogates=surrogates, rng=rng, tell=share(surrogates, surrogates))
    ordered = order(
        series, estimator, found.lags, power=power, draws=draws, blocks=blocks, rng=rng, tell=share(2 * surrogates, draws)
    )
    return Study(
        series=series,
        flows=found,
        entropy=entropies(series),
        levels=levels,
        outflow=out,
        agreement=agreement(levels.height, -out),
        transfer=transfer_entropy(series, found.lags),
        direction=directed,
        dependence=dependent,
        order=ordered,
        groups=group_order(levels.height, series.groups, rng=rng) if len(series.groups) > 1 else None,
        layers=layering(levels.height, rng=rng),
    )
