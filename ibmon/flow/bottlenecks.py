"""What hidden nodes say of the inputs against what they say of the outputs, over the nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Protocol

import torch
from scipy.stats import pearsonr, spearmanr
from torch import Tensor

from ibmon.tensors import Estimate, Variable

from .matrices import raw


class Information(Protocol):
    """An estimator with its random numbers, as analyses get it."""

    def __call__(self, x: Variable, ys: Sequence[Variable]) -> tuple[Estimate, ...]: ...


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """I(h;X) ``inputs`` and I(h;Y) ``outputs`` of each hidden node in bits (nodes,), before clipping, and how they go together.

    Forgetting of X what does not concern Y would make the correlation small or negative; a positive one is what nodes give that
    carry more or less of everything. ``pearson`` and ``spearman`` are over the nodes, with two-sided p-values of independent
    ones, which nodes of one network are not. NaN for fewer than three nodes, and where one side does not vary.
    """

    inputs: Tensor
    outputs: Tensor
    pearson: float
    pearson_p: float
    spearman: float
    spearman_p: float


@torch.no_grad()
def bottleneck(hidden: Tensor, inputs: Tensor, outputs: Tensor, estimator: Information) -> Bottleneck:
    """I(h_i; X) and I(h_i; Y) of each column of ``hidden`` (rows, nodes) with all columns of X and Y, each (rows, columns).

    All nodes are one call. Raises ValueError where the rows differ.
    """
    if not len(hidden) == len(inputs) == len(outputs):
        raise ValueError(f"{len(hidden)} rows of hidden nodes, {len(inputs)} of inputs and {len(outputs)} of outputs do not fit")
    each = Variable.continuous(hidden.T[..., None])
    x, y = (raw(e) for e in estimator(each, [Variable.continuous(inputs), Variable.continuous(outputs)]))
    pairs = torch.stack([x, y]).cpu()
    pairs = pairs[:, pairs.isfinite().all(0)]
    if pairs.shape[1] < 3 or bool((pairs == pairs[:, :1]).all(1).any()):
        return Bottleneck(x, y, nan, nan, nan, nan)
    linear: Any = pearsonr(*pairs.numpy())
    ranked: Any = spearmanr(*pairs.numpy())
    return Bottleneck(x, y, float(linear.statistic), float(linear.pvalue), float(ranked.statistic), float(ranked.pvalue))
