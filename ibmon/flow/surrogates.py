"""Series as they would be if nothing flowed: what is exchanged, what is kept, and in which pieces.

- *Reversal*: pairs of moments (x(t), x(t + τ)) are exchanged, all pairs of a block together. A process that looks the same
  backwards in time does not change by it, however its nodes depend on each other.
- *Circular shifts* of every node by an amount of its own: each keeps its values and its spectrum; what two nodes had in common
  at equal times is gone.
- *Exchanged trials*: every node takes its trials in an order of its own: each keeps its trials as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_TRIALS = 20
"""Trials from which on exchanging them gives enough different orders."""
_LEAST_SHIFT = 0.05
_PACKED = 0.8
"""Share of the circle that many nodes may fill with the distances between them: the rest is left to chance."""


def block_numbers(trials: int, length: int, blocks: int) -> Tensor:
    """Which block each of ``trials`` × ``length`` rows is in (rows,): consecutive rows of one trial, blocks of nearly one size.

    About ``blocks`` in all, and at least one for each trial.
    """
    each = min(max(round(blocks / trials), 1), max(length, 1))
    within = torch.arange(length) * each // max(length, 1)
    return (torch.arange(trials)[:, None] * each + within).flatten()


def exchanges(blocks: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Rows whose moments are exchanged, each block with probability ½: boolean (count, rows)."""
    number = int(blocks.max()) + 1
    return (torch.rand(count, number, generator=rng) < 0.5)[:, blocks]


def halves(blocks: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Rows of a random half of the blocks: boolean (count, rows)."""
    number = int(blocks.max()) + 1
    drawn = torch.rand(count, number, generator=rng).argsort(-1) < (number + 1) // 2
    return drawn[:, blocks]


def circularly_shifted(values: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """``values`` (trials, time, nodes) with every node of every trial shifted in a circle: (count, trials, time, nodes).

    The amounts are drawn at random, and those of any two nodes are a twentieth of the trial apart, or as far as so many nodes
    allow: two that were shifted alike would have all that they share, and be the largest of what is seen without a flow.
    """
    trials, time, nodes = values.shape
    apart = int(min(_LEAST_SHIFT * time, _PACKED * time / nodes))
    free = torch.rand(count, trials, nodes, generator=rng).sort(-1).values * (time - nodes * apart)
    places = free.long() + apart * torch.arange(nodes)
    mine = torch.rand(count, trials, nodes, generator=rng).argsort(-1)
    begin = torch.randint(time, (count, trials, 1), generator=rng)
    shift = (places.gather(-1, mine) + begin)[:, :, None]
    at = (torch.arange(time)[:, None] + shift) % time
    return values.expand(count, -1, -1, -1).gather(2, at.to(values.device))


def trials_shuffled(values: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """``values`` (trials, time, nodes) with every node's trials in an order of its own: (count, trials, time, nodes)."""
    trials, _, nodes = values.shape
    at = torch.rand(count, trials, 1, nodes, generator=rng).argsort(1).to(values.device)
    whole = values.expand(count, -1, -1, -1)
    return whole.gather(1, at.expand_as(whole))
