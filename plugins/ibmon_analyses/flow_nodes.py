"""The nodes of a recurrent network, as series of equal length: inputs, hidden units and outputs at every timepoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ibmon import Activation, Snapshot
from ibmon.flow import Series

GROUPS = ("input", "hidden", "output")
"""In the order in which information is expected to pass through them. Names of nodes begin with that of their group."""
TARGET, HORIZON = "forecast.target", "forecast.horizon"
"""Probes that say what the outputs are about, and how many timepoints later that is an input."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """``series``: inputs, hidden units and outputs as recorded, trials × time × nodes. ``target`` (trials, time, columns) is
    what the outputs at each moment are about, None where that is not known; ``horizon`` is how much later that moment is."""

    series: Series
    target: Tensor | None
    horizon: int

    def part(self, group: str) -> Tensor:
        """What the nodes of a group did, all moments of all trials: (rows, nodes)."""
        return self.series.values[..., list(self.series.groups[group])].flatten(0, 1)

    def aligned(self, alignment: str) -> Series:
        """The series with equal times for what ``alignment`` takes to be the same moment: see ``delays``."""
        shifts = {group: delay for group, delay in delays(alignment, self.horizon).items() if delay}
        return self.series.delayed(shifts) if shifts else self.series


def delays(alignment: str, horizon: int) -> dict[str, int]:
    """How many timepoints later groups are set: ``target`` sets outputs at the moment that they are about, ``stages`` each group
    one step after the one before it, as if passing on took a step; ``step`` leaves all where they were recorded."""
    return {"target": {"output": horizon}, "stages": {"hidden": 1, "output": 2}, "step": {}}[alignment]


def nodes_of(snapshot: Snapshot, layers: Sequence[str], *, horizon: int, lags: int, most: int) -> Nodes:
    """The nodes of three ``layers`` without what their masks do not call data: at most about ``most`` moments.

    ``horizon`` 0 is what the probe "forecast.horizon" says, and none without it. Series have no gaps, so that of a masked
    recording the moments and trials are taken that are data throughout, as many as there are. Of more moments than ``most``
    the first trials are kept whole; a single one is cut. Raises ValueError for layers that are not there or do not fit.
    """
    found = {group: _activation(snapshot, name) for group, name in zip(GROUPS, layers, strict=True)}
    values = {group: _by_time(activation) for group, activation in found.items()}
    shapes = {group: tuple(v.shape[:2]) for group, v in values.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"flow: layers are of different samples and timepoints: {shapes}")
    if not horizon and (probe := snapshot.probes.get(HORIZON)) is not None and probe.values.numel() == 1:
        horizon = int(probe.values)
    trials, moments = _kept([_mask(a) for a in found.values()], lags + max(horizon, 2), most)
    names, groups, count = list[str](), dict[str, range](), 0
    for group, each in values.items():
        units = each.shape[-1]
        names += [group] if units == 1 else [f"{group} {i}" for i in range(units)]
        groups[group] = range(count, count + units)
        count += units
    together = torch.cat([v.double() for v in values.values()], -1)[trials][:, moments]
    target, about = snapshot.probes.get(TARGET), None
    if target is not None and {"sample", "time"} <= set(target.axes) and _by_time(target).shape[:2] == shapes["output"]:
        about = _by_time(target).double()[trials][:, moments]
    return Nodes(Series.of(together, names, groups), about, horizon)


def _activation(snapshot: Snapshot, name: str) -> Activation:
    """A layer by its name, else the inputs or outputs of the network where they are called so."""
    own = {"input": snapshot.inputs, "output": snapshot.outputs}
    activation = snapshot.layers.get(name) or own.get(name)
    if activation is None:
        raise ValueError(f"flow: there is no layer {name!r} but {', '.join(snapshot.layers)}; say inputs=, hidden= or outputs=")
    if not {"sample", "time"} <= set(activation.axes):
        raise ValueError(f"flow: {name!r} has axes {', '.join(activation.axes)}, and flow needs sample and time")
    if "replica" in activation.axes:
        raise ValueError(f"flow: {name!r} holds several networks trained as one, and flow is of one network")
    return activation


def _by_time(activation: Activation) -> Tensor:
    """Values (trials, time, units): all that is neither sample nor time is a unit."""
    return activation.variable().values.transpose(0, 1)


def _mask(activation: Activation) -> Tensor:
    """Which moments are data (trials, time), on the host."""
    variable = activation.variable()
    mask = variable.mask
    return (torch.ones(variable.values.shape[:2], dtype=torch.bool) if mask is None else mask.cpu()).T


def _kept(masks: list[Tensor], needed: int, most: int) -> tuple[Tensor, slice]:
    """The trials and the stretch of time in which they are data throughout, with most moments beyond the ``needed``.

    A stretch that ends at t is data in a trial where its run of data up to t is as long.
    """
    there = torch.stack(masks).all(0)
    trials, time = there.shape
    run = torch.zeros(trials, dtype=torch.long)
    best, best_run, stop, length = 0, run, 0, 0
    for t in range(time):
        run = torch.where(there[:, t], run + 1, 0)
        longest = run.sort(descending=True).values
        moments = (longest - needed).clamp(min=0) * torch.arange(1, trials + 1)
        if int(moments.max()) > best:
            best, best_run, stop, length = int(moments.max()), run, t + 1, int(longest[int(moments.argmax())])
    if not best:
        raise ValueError(f"flow: no trial has more than {needed} timepoints of data in a row, as lags and horizon take")
    length = min(length, most)
    whole = (best_run >= length).nonzero()[:, 0][: max(most // length, 1)]
    return whole, slice(stop - length, stop)
