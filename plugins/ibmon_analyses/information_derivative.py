"""How fast the kernel bound of I(X;T) changes in an update, and between which samples (the paper on convolutional networks
§3.2.4, whose equation is misprinted)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, log
from typing import Any

import torch
from torch import Tensor

from ibmon import Activation, Measurement, Snapshot
from ibmon.probes import changes

_ROWS = 1024
"""Rows of the matrix of kernels that are in memory at once."""
_LOW = -60.0
"""Least exponent of a kernel: what lies lower adds nothing to a sum that is at least 1, and is slow to compute."""
TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class InformationDerivative:
    """The time derivative of the upper kernel bound I_v(X;T) under noise of ``variance`` v, in bits an update.

    With w_ij = exp(−d_ij/2v) / Σ_j exp(−d_ij/2v), d_ij = ‖t_i − t_j‖², and ṫ the change of the activations by the update,

        dI_v/dt = 1/(N v) Σ_ij w_ij (t_i − t_j)·(ṫ_i − ṫ_j)   [nats]

    from the definition of the bound. Negative is compression. Its parts between samples of the same class and of different
    classes say what compresses. Raises ValueError unless ``variance`` is positive.
    """

    variance: float = 0.1

    def __post_init__(self) -> None:
        if not (isfinite(self.variance) and self.variance > 0):
            raise ValueError(f"information-derivative: variance must be positive, not {self.variance}")

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields for each layer with samples and units "dI(X;T)/dt", "I(X;T) change", measured over the same update, and for
        each task with a label a sample "dI(X;T)/dt within classes" and "… between classes".

        Flag: ``curved`` where the change is off the derivative by more than a tenth: the update is not small.
        """
        for layer, before, after in changes(snapshot.probes, "change"):
            if before.axes[:1] != ("sample",) or "time" in before.axes:
                continue
            first, then = _rows(before), _rows(after)
            labels = {task: y.to(first.device) for task, y in snapshot.targets.items() if y.shape == first.shape[:1]}
            value, within = _derivative(first, then - first, labels, self.variance)
            change = _bound(then, self.variance) - _bound(first, self.variance)
            curved = abs(change - value) > TOLERANCE * max(abs(change), abs(value))
            yield self._said("dI(X;T)/dt", value, {"layer": layer}, curved=curved)
            yield self._said("I(X;T) change", change, {"layer": layer})
            for task, part in within.items():
                subject = {"layer": layer, "task": task} if len(labels) > 1 else {"layer": layer}
                yield self._said("dI(X;T)/dt within classes", part, subject)
                yield self._said("dI(X;T)/dt between classes", value - part, subject)

    def _said(self, quantity: str, value: float, subject: Mapping[str, str], **flags: bool) -> Measurement:
        estimator = f"kde:variance={self.variance:g}"
        return Measurement(quantity=quantity, value=value, unit="bits/update", subject=subject, estimator=estimator, flags=flags)


def _rows(activation: Activation) -> Tensor:
    """(samples, units), centred, in float64: distances under a small noise, and their small changes, cancel in float32."""
    values = activation.values.flatten(1).double()
    return values - values.mean(0)


def _weights(t: Tensor, rows: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """w (rows, samples), whose rows sum to one, and the logarithm of the sums of kernels (rows,)."""
    squares = t.square().sum(1)
    d = (squares[rows, None] + squares[None, :] - 2 * t[rows] @ t.T).clamp_min_(0.0)
    d[torch.arange(len(rows)), rows] = 0.0
    exponents = d.div_(-2 * variance).clamp_min_(_LOW)
    total = exponents.logsumexp(1)
    return (exponents - total[:, None]).exp_(), total


def _bound(t: Tensor, variance: float) -> float:
    """The upper kernel bound −mean_i log2 mean_j exp(−d_ij/2v), in bits."""
    n = len(t)
    total = torch.zeros((), dtype=t.dtype, device=t.device)
    for rows in torch.arange(n, device=t.device).split(_ROWS):
        total += _weights(t, rows, variance)[1].sum()
    return float((log(n) - total / n) / log(2))


def _derivative(t: Tensor, moved: Tensor, labels: Mapping[str, Tensor], variance: float) -> tuple[float, dict[str, float]]:
    """dI/dt in bits an update, whole and, by task, between samples of one class; ``t`` and ``moved`` (samples, units)."""
    n = len(t)
    own = (t * moved).sum(1)
    whole = torch.zeros((), dtype=t.dtype, device=t.device)
    within = {task: whole.clone() for task in labels}
    for rows in torch.arange(n, device=t.device).split(_ROWS):
        weights, _ = _weights(t, rows, variance)
        # (t_i − t_j)·(ṫ_i − ṫ_j) = t_i·ṫ_i + t_j·ṫ_j − t_i·ṫ_j − t_j·ṫ_i
        weights *= own[rows, None] + own[None, :] - t[rows] @ moved.T - moved[rows] @ t.T
        whole += weights.sum()
        for task, y in labels.items():
            within[task] += weights[y[rows, None] == y[None, :]].sum()
    unit = n * variance * log(2)
    return float(whole) / unit, {task: float(part) / unit for task, part in within.items()}
