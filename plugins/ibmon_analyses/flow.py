"""Information flow between the nodes of a recurrent network: has it a direction, layers, a bottleneck?

The measurements of Ivanovic, Kha & Muruganantham, "Analyzing information in RNNs", with tests and for three meanings of "the
same moment", which decide the answer. What is computed, and what it proves, is in ``ibmon.flow``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ibmon import Measurement, Snapshot, log_spaced
from ibmon.flow import (
    Levels,
    Series,
    agreement,
    bottleneck,
    direction,
    entropies,
    expected_order,
    flows,
    group_order,
    layering,
    order,
    outflow,
    transfer_by,
    transfer_entropy,
    trophic_levels,
)

from .flow_nodes import TARGET, Nodes, nodes_of

CLOSED = ("copula", "gaussian")
"""Estimators for which all pairs are one product of matrices. Others take some hundred times as long, and get less to do."""
FEW = 19
"""Surrogates for those others: the fewest that can reach p = 0.05."""
FEW_NODES = 12
"""Nodes up to which such an estimator is asked for the transfer entropy of each pair by itself."""
_SEED = 0
_BAND = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class Flow:
    """Information flow between inputs, hidden units and outputs of a recurrent network, in bits, with tests of its direction.

    Nodes are the units of three layers with axes sample and time, samples being trials. Over the axes source, target and lag:
    "delayed information", "flow" (less the instantaneous information), "transfer entropy"; over source and target: the
    "instantaneous information", and "net flow", the mean over the lags, with ``p_value`` over all pairs together. Over the axis
    node: "entropy" and "outflow".

    - For each ``alignment``, the subject, "level" of every node, with the 90 % of random halves of the data; "group level", the
      median of each group; "expected order", the share of pairs of nodes from different groups that stand as input < hidden <
      output, with the ``p_value`` of groups drawn at random; "incoherence" of the levels; and "agreement", Kendall's τ between
      these levels and those of the alignment that was asked for.
    - For the alignment that was asked for: "strength" Σ|net flow| with its ``p_value`` and the mean ``null`` of moments that are
      exchanged in blocks; "strength by chance" and "incoherence by chance" have the mean and the middle 90 % of these.
    - Of each hidden unit, over the axis unit, "I(h;X)" and "I(h;Y)" with all inputs and with what the outputs are about, and
      "correlation" of the two over the units. Y is what the probe ``forecast`` says, else the outputs; only with that probe
      there is a "forecast error", the root of the mean square of the outputs less their target.

    Estimators other than copula and gaussian are slow: they get 19 surrogates at most and few snapshots (``sparse``). Transfer
    entropy is that of normal scores in closed form, by ksg for few nodes that of nearest neighbours. The exchanged blocks are
    the same in all snapshots, so that curves differ by the network alone. Raises ValueError for options out of their domain.

    Args:
        inputs: layer whose units are the inputs; ``input`` is also what the network was given
        hidden: layer whose units are the hidden nodes
        outputs: layer whose units are the outputs; ``output`` is also what the network returned
        horizon: timepoints from the newest input to what the outputs are about; 0: what the recipe says
        lags: from one step to so many
        alignment: outputs at their target time, all as recorded (step), or each group a step after the one before (stages)
        surrogates: of each snapshot; there is no telling which is the last, so all get the same
        sparse: points in a decade of epochs (or steps) at which slow estimators are asked; 0: at every snapshot
        rows: moments that are taken at most
        power: of the net flow that weighs the levels; 1 is the paper's
    """

    inputs: str = "input"
    hidden: str = "hidden"
    outputs: str = "output"
    horizon: int = 0
    lags: int = 1
    alignment: Literal["target", "step", "stages"] = "target"
    surrogates: int = 49
    sparse: int = 5
    rows: int = 2000
    power: float = 2.0

    def __post_init__(self) -> None:
        lowest = {"horizon": 0, "lags": 1, "surrogates": FEW, "sparse": 0, "rows": 50}
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise ValueError(f"flow: {name} must be {least} or more, not {getattr(self, name)}")
        if not 0 < self.power < float("inf"):
            raise ValueError(f"flow: power must be above 0, not {self.power}")
        if self.alignment not in ("target", "step", "stages"):
            raise ValueError(f"flow: alignment must be target, step or stages, not {self.alignment}")

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields the quantities of the class; nothing at a snapshot that is not due for a slow estimator."""
        for name, estimator in estimators.items():
            closed = name.partition(":")[0] in CLOSED
            if closed or self._due(snapshot):
                layers = (self.inputs, self.hidden, self.outputs)
                nodes = nodes_of(snapshot, layers, horizon=self.horizon, lags=self.lags, most=self.rows)
                yield from self._of(nodes, estimator, name, closed=closed)

    def _due(self, snapshot: Snapshot) -> bool:
        """The untrained network and a schedule that any multiple of it (log:10, log:40) has, told from the snapshot alone:
        an analyst that was started anew takes the same ones."""
        at = snapshot.step if snapshot.epoch is None else snapshot.epoch
        return not self.sparse or at == 0 or (at == int(at) and log_spaced(self.sparse).due(int(at)))

    def _of(self, nodes: Nodes, estimator: Any, name: str, *, closed: bool) -> Iterator[Measurement]:
        say, rng = _Say(name), torch.Generator().manual_seed(_SEED)
        few = self.surrogates if closed else min(self.surrogates, FEW)
        lags = range(1, self.lags + 1)
        asked = "step" if self.alignment == "target" and not nodes.horizon else self.alignment
        series = nodes.aligned(asked)
        found = flows(series, estimator, lags)
        levels = trophic_levels(found.net, power=self.power)
        tested = direction(series, estimator, lags, net=found.net, power=self.power, surrogates=few, rng=rng)
        halves = order(series, estimator, lags, power=self.power, draws=few, rng=rng).draws

        subject, node = {"alignment": asked}, {"node": series.names}
        pairs = {"source": series.names, "target": series.names}
        by_lag = {"lag": list(found.lags), **pairs}
        instantaneous = found.instantaneous.clone().fill_diagonal_(torch.nan)
        yield say("delayed information", found.tdmi, axes=by_lag, subject=subject, flags=_raised(found.flags, len(found.lags)))
        yield say("instantaneous information", instantaneous, axes=pairs, subject=subject)
        yield say("flow", found.excess, axes=by_lag, subject=subject)
        yield say("net flow", found.net, axes=pairs, subject=subject, details={"p_value": _numpy(tested.pair_p_all)})
        yield say("outflow", outflow(found.net), axes=node, subject=subject)
        yield say("entropy", entropies(series), axes=node, subject=subject)
        by_pairs = name.partition(":")[0] == "ksg" and series.nodes <= FEW_NODES
        transfer = transfer_by(series, estimator, lags) if by_pairs else transfer_entropy(series, lags)
        method = "nearest neighbours" if by_pairs else "normal scores"
        yield say("transfer entropy", transfer, axes=by_lag, subject={**subject, "method": method})

        null, unordered = tested.null, tested.null_incoherence
        details = {"p_value": tested.p_value, "null": float(null.mean())}
        yield say("strength", tested.strength, subject=subject, details=details)
        yield say("strength by chance", float(null.mean()), subject=subject, **_middle(null))
        yield say("incoherence by chance", float(unordered.nanmean()), "", subject=subject, **_middle(unordered))

        yield from _standing(say, asked, series, levels, levels, rng, halves)
        for other in ("target", "step", "stages"):
            if other != asked and (other != "target" or nodes.horizon):
                moved = nodes.aligned(other)
                beside = trophic_levels(flows(moved, estimator, lags).net, power=self.power)
                yield from _standing(say, other, moved, beside, levels, rng)
        yield from _units(say, nodes, estimator)


@dataclass(frozen=True, slots=True)
class _Say:
    """Makes measurements of one estimator."""

    estimator: str

    def __call__(self, quantity: str, value: Tensor | float, unit: str = "bits", **more: Any) -> Measurement:
        plain = _numpy(value) if isinstance(value, Tensor) else value
        return Measurement(quantity=quantity, value=plain, unit=unit, estimator=self.estimator, **more)


def _standing(
    say: _Say,
    alignment: str,
    series: Series,
    levels: Levels,
    asked: Levels,
    rng: torch.Generator,
    halves: Tensor | None = None,
) -> Iterator[Measurement]:
    """How nodes and groups stand on the levels of an alignment, beside those of the one that was ``asked`` for."""
    subject = {"alignment": alignment}
    groups = group_order(levels.height, series.groups, rng=rng)
    shares = None if halves is None else expected_order(halves, list(series.groups.values()))
    spread = {} if halves is None else _middle(halves)
    yield say("level", levels.height, "", axes={"node": series.names}, subject=subject, **spread)
    yield say(
        "expected order",
        groups.fraction,
        "",
        subject=subject,
        details={"p_value": groups.p_value},
        **({} if shares is None else _middle(shares)),
    )
    for group, median in groups.medians.items():
        yield say("group level", median, "", subject={**subject, "group": group})
    yield say("incoherence", float(levels.incoherence), "", subject=subject)
    layers = layering(levels.height, rng=rng)
    yield say("layers", float(layers.count), "", subject=subject, details={"p_value": layers.p_value})
    yield say("layer", layers.layer.double(), "", axes={"node": series.names}, subject=subject)
    if levels is not asked:
        yield say("agreement", agreement(levels.height, asked.height), "", subject=subject)


def _units(say: _Say, nodes: Nodes, estimator: Any) -> Iterator[Measurement]:
    """What hidden units say of the inputs and of what the outputs are about."""
    outputs, about = nodes.part("output"), nodes.target
    y = outputs if about is None else about.flatten(0, 1)
    found = bottleneck(nodes.part("hidden"), nodes.part("input"), y, estimator)
    axes = {"unit": list(range(len(found.inputs)))}
    subject = {"Y": "outputs" if about is None else TARGET}
    yield say("I(h;X)", found.inputs, axes=axes)
    yield say("I(h;Y)", found.outputs, axes=axes, subject=subject)
    for method, value, p in (("pearson", found.pearson, found.pearson_p), ("spearman", found.spearman, found.spearman_p)):
        yield say("correlation", value, "", subject={**subject, "method": method}, details={"p_value": p})
    if about is not None and y.shape == outputs.shape:
        yield say("forecast error", float((outputs - y).square().mean().sqrt()), "")


def _middle(drawn: Tensor) -> dict[str, Any]:
    """The middle 90 % of what was drawn (draws, ...)."""
    lower, upper = (_numpy(drawn.double().nanquantile(q, 0)) for q in _BAND)
    return {"lower": lower, "upper": upper}


def _raised(flags: Mapping[str, Tensor], lags: int) -> dict[str, np.ndarray]:
    """Flags of pairs, of every lag."""
    return {name: raised.expand(lags, -1, -1).cpu().numpy() for name, raised in flags.items()}


def _numpy(value: Tensor) -> np.ndarray:
    return value.detach().cpu().numpy()
