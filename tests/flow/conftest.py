"""Series with known truths, and estimators as analyses get them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ibmon.analysis.jobs import Bound
from ibmon.flow import Series
from ibmon_estimators.copula import Copula


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bound(estimator: Any = None) -> Bound:
    return Bound(estimator or Copula(), seeded())


def series(weights: np.ndarray, time: int, seed: int = 0, warm: int = 200) -> Series:
    """x(t + 1) = A x(t) + noise of variance 1, stationary."""
    rng = np.random.default_rng(seed)
    x, rows = np.zeros(len(weights)), []
    for kick in rng.standard_normal((time + warm, len(weights))):
        x = weights @ x + kick
        rows.append(x)
    return Series.of(torch.from_numpy(np.array(rows[warm:])))


def chain(nodes: int = 6, memory: float = 0.4, passed: float = 0.55) -> np.ndarray:
    """Weights with which each node passes to the next."""
    return np.diag(np.full(nodes, memory)) + np.diag(np.full(nodes - 1, passed), -1)


def reversible(nodes: int = 6, seed: int = 0) -> np.ndarray:
    """Symmetric weights: with equal noise the process looks the same backwards."""
    weights = np.random.default_rng(seed).standard_normal((nodes, nodes))
    weights = weights + weights.T
    return 0.7 * weights / np.abs(np.linalg.eigvalsh(weights)).max()
