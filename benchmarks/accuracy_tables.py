"""What both parts of ``accuracy.py`` need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ibmon import Estimate, Estimator, Variable

Numbers = NDArray[np.float64]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: int) -> str:
    """A Markdown table, whose columns from ``right`` on are numbers."""
    rule = "|".join("--:" if i >= right else ":--" for i in range(len(head)))
    first, *rest = ("| " + " | ".join(row) + " |" for row in (head, *rows))
    return "\n".join([first, f"|{rule}|", *rest])


def read(estimator: Estimator, x: Variable, *ys: Variable, seed: int = 0) -> tuple[Estimate, ...]:
    """The estimates of one call."""
    return estimator(x, ys, rng=torch.Generator().manual_seed(seed))


def unclipped(estimate: Estimate) -> Tensor:
    """What the estimator computed, before it was clipped to what is possible."""
    return estimate.value if estimate.raw is None else estimate.raw
