"""Nodes over time, and the rows in which an earlier moment stands beside a later one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

LEAST_ROWS = 8
"""Pairs of moments below which nothing is estimated."""


@dataclass(frozen=True, slots=True)
class Series:
    """What nodes did: ``values`` (trials, time, nodes), all finite. Nothing is paired across the ends of a trial.

    ``names`` has one for each node. ``groups`` names nodes by their numbers, in the order in which information is expected to
    pass through them (inputs, hidden, outputs); not every node needs one. Raises ValueError for what does not fit.
    """

    values: Tensor
    names: tuple[str, ...]
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or not self.values.is_floating_point():
            raise ValueError(
                f"a series holds fractions (trials, time, nodes), not {tuple(self.values.shape)} {self.values.dtype}"
            )
        if self.nodes < 2:
            raise ValueError(f"information flows between two nodes or more; there is {self.nodes or 'none'}")
        if len(self.names) != self.nodes or len(set(self.names)) < self.nodes:
            raise ValueError(f"{self.nodes} nodes need as many different names, not {len(set(self.names))}")
        bad = ~self.values.isfinite().all(0).all(0)
        if bool(bad.any()):
            raise ValueError(f"the node {self.names[int(bad.nonzero()[0])]!r} has values that are not finite")
        members = [i for group in self.groups.values() for i in group]
        if len(set(members)) < len(members):
            raise ValueError(f"the node {self.names[max(members, key=members.count)]!r} is in more than one group")
        if any(not 0 <= i < self.nodes for i in members) or not all(self.groups.values()):
            raise ValueError(f"a group is one or more of the nodes 0 to {self.nodes - 1}")

    @classmethod
    def of(cls, values: Tensor, names: Sequence[str] | None = None, groups: Mapping[str, Sequence[int]] | None = None) -> Series:
        """A series of ``values`` (time, nodes) or (trials, time, nodes); without ``names`` nodes are numbered."""
        values = values.detach()
        values = values if values.is_floating_point() else values.double()
        if values.ndim == 2:
            values = values[None]
        count = values.shape[-1] if values.ndim else 0
        named = tuple(names) if names is not None else tuple(str(i) for i in range(count))
        return cls(values, named, {name: tuple(nodes) for name, nodes in (groups or {}).items()})

    @property
    def trials(self) -> int:
        return self.values.shape[0]

    @property
    def time(self) -> int:
        return self.values.shape[1]

    @property
    def nodes(self) -> int:
        return self.values.shape[2]

    def group_of(self, node: int) -> str:
        """The name of a node's group; empty without one."""
        return next((name for name, nodes in self.groups.items() if node in nodes), "")

    def delayed(self, delays: Mapping[str, int]) -> Series:
        """The series with some nodes, or groups, set later: what they did at t then stands at t + delay (earlier if negative).

        The prediction of a moment h steps ahead, delayed by h, stands at the moment that it is about. Moments without all nodes
        are left out. Raises ValueError for a name that is neither, and where no moment is left.
        """
        shifts = [0] * self.nodes
        for name, delay in delays.items():
            if name not in self.groups and name not in self.names:
                raise ValueError(f"{name!r} is neither a node nor a group")
            for i in self.groups.get(name, ()) or (self.names.index(name),):
                shifts[i] = delay
        latest, earliest = max(shifts), min(shifts)
        length = self.time - (latest - earliest)
        if length < 1:
            raise ValueError(f"delays of {earliest} to {latest} leave nothing of {self.time} moments")
        columns = [self.values[:, latest - s : latest - s + length, i] for i, s in enumerate(shifts)]
        return Series(torch.stack(columns, -1), self.names, self.groups)


def check_lags(lags: Sequence[int], time: int, trials: int) -> tuple[int, ...]:
    """The lags, each once and in rising order. Raises ValueError for none, one below 1, and where too few rows are left."""
    sound = tuple(sorted(set(lags)))
    if not sound or sound[0] < 1:
        raise ValueError(f"lags are 1 or more steps, not {sound[0] if sound else 'none'}")
    if trials * max(time - sound[-1], 0) < LEAST_ROWS:
        raise ValueError(f"a lag of {sound[-1]} leaves fewer than {LEAST_ROWS} pairs of {trials * time} moments")
    return sound


def moments(values: Tensor, lag: int, longest: int) -> Tensor:
    """What nodes did ``lag`` steps after each moment that still has one ``longest`` steps after it: (..., rows, nodes).

    ``values`` is (..., trials, time, nodes). The rows are the same moments whatever ``lag`` is, so that informations at several
    lags, and at none, are of the same rows.
    """
    return values[..., lag : values.shape[-2] - longest + lag, :].flatten(-3, -2)
