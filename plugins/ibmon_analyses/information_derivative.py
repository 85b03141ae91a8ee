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

_ROWS = 128
"""Rows of the matrix of kernels that are computed at once: they stay in the caches (measured: five times as fast as 1024)."""
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
            bits, value, within = derivative(first, then - first, labels, self.variance)
            change = bound(then, self.variance) - bits
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


def _kernels(t: Tensor, rows: Tensor, variance: float) -> Tensor:
    """exp(−d_ij/2v) of some rows with all (rows, samples), in float32: distances need double precision, kernels do not."""
    squares = t.square().sum(1)
    d = torch.addmm(squares[rows, None] + squares, t[rows], t.T, alpha=-2).clamp_min_(0.0)
    d[torch.arange(len(rows), device=t.device), rows] = 0.0
    return d.div_(-2 * variance).clamp_min_(_LOW).float().exp_()


def bound(t: Tensor, variance: float) -> float:
    """The upper kernel bound −mean_i log2 mean_j exp(−d_ij/2v) in bits of ``t`` (samples, units)."""
    return derivative(t, None, {}, variance)[0]


def derivative(
    t: Tensor, moved: Tensor | None, labels: Mapping[str, Tensor], variance: float
) -> tuple[float, float, dict[str, float]]:
    """The bound in bits, dI/dt in bits an update and, by task, its part between samples of one class.

    ``t`` and ``moved`` (samples, units), float64; without ``moved`` the bound alone.
    """
    n = len(t)
    logs, whole = torch.zeros((2,), dtype=t.dtype, device=t.device)
    within = {task: whole.clone() for task in labels}
    for rows in torch.arange(n, device=t.device).split(_ROWS):
        kernels = _kernels(t, rows, variance)
        sums = kernels.sum(1, dtype=t.dtype)
        logs = logs + sums.log().sum()
        if moved is None:
            continue
        # (t_i − t_j)·(ṫ_i − ṫ_j) = t_i·ṫ_i + t_j·ṫ_j − t_i·ṫ_j − t_j·ṫ_i, of which one product of matrices is enough.
        own = (t * moved).sum(1)
        both = torch.cat([t[rows], moved[rows]], 1) @ torch.cat([moved, t], 1).T
        rates = (own[rows, None] + own - both).float().mul_(kernels)
        whole = whole + (rates.sum(1, dtype=t.dtype) / sums).sum()
        for task, y in labels.items():
            same = rates.mul(y[rows, None] == y).sum(1, dtype=t.dtype)
            within[task] = within[task] + (same / sums).sum()
    unit = n * variance * log(2)
    bits = float(log(n) - logs / n) / log(2)
    return bits, float(whole) / unit, {task: float(part) / unit for task, part in within.items()}
