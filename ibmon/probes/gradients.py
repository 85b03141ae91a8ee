"""Minibatch gradients at fixed weights, and those of networks that see one minibatch each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ibmon.capture.gradients import GradientWindow
from ibmon.tensors import Activation, EvaluationSet, GradientStatistics

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""``loss(model, x, y)``: the mean loss over the samples of a minibatch."""
_FIELDS = ("mean", "std", "norm", "count", "size", "nonfinite", "population")


def frozen_gradients(
    loss: Loss, x: Tensor, y: Tensor, *, batch: int, minibatches: int = 32
) -> Callable[..., dict[str, Activation]]:
    """A probe: gradients of ``minibatches`` minibatches of ``batch`` samples, drawn without replacement at fixed weights.

    The network is in evaluation mode (no dropout); the same minibatches are drawn at every snapshot. Only whole minibatches
    count, so at most ``len(x) // batch``. Watch it as ``probes={"frozen": ...}``: the analysis ``gradient-snr`` shows it as the
    protocol of that name.

    Raises ValueError when there are not two whole minibatches.
    """
    whole = len(x) // batch if batch > 0 else 0
    if min(whole, minibatches) < 2:
        raise ValueError(f"frozen gradients need two minibatches; {len(x)} samples give {whole} of {batch}")

    def probe(model: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> dict[str, Activation]:
        parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        window = GradientWindow(parameters)
        order = torch.randperm(len(x), generator=rng)[: batch * whole].to(x.device)
        for rows in order.split(batch)[: min(whole, minibatches)]:
            model.zero_grad(set_to_none=True)
            loss(model, x[rows], y[rows]).backward()
            window.add()
        return _written(window.close(whole))

    return probe


def parallel_gradients(loss: Callable[[nn.Module], Tensor]) -> Callable[..., dict[str, Activation]]:
    """A probe for networks trained side by side, each on one minibatch of its own (protocol ``parallel``, Shwartz-Ziv &
    Tishby 2017): mean and standard deviation of the gradient over the networks.

    ``loss(model)`` gives the loss of every network on its minibatch ``(replicas,)``; every parameter has the networks as its
    first dimension. The networks have diverged, so the average mixes gradients at different weights. ``norm`` is the mean of
    their ‖W‖_F. Watch it as ``probes={"parallel": ...}``.
    """

    def probe(model: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> dict[str, Activation]:
        model.zero_grad(set_to_none=True)
        loss(model).sum().backward()
        found: dict[str, GradientStatistics] = {}
        for name, p in model.named_parameters():
            if p.grad is None:
                continue
            each = p.grad.double().flatten(1)
            finite = each.isfinite().all(1)
            good = each[finite]
            if len(good):
                mean, std = float(good.mean(0).norm()), float(good.std(0, correction=0).norm())
                norm = float(p.detach().double().flatten(1).norm(dim=1).mean())
                found[name] = GradientStatistics(mean, std, len(good), norm, each.shape[1], int((~finite).sum()))
        return _written(found)

    return probe


def _written(statistics: Mapping[str, GradientStatistics]) -> dict[str, Activation]:
    rows = {name: [float(getattr(g, field) or 0) for field in _FIELDS] for name, g in statistics.items()}
    return {name: Activation(torch.tensor(row, dtype=torch.float64), ("statistic",)) for name, row in rows.items()}


def statistics_of(probes: Mapping[str, Activation], name: str) -> dict[str, GradientStatistics]:
    """What the probe called ``name`` said, by parameter: the reading side of the probes above."""
    out: dict[str, GradientStatistics] = {}
    for key, value in probes.items():
        probe, _, parameter = key.partition(".")
        if probe == name and value.axes == ("statistic",) and len(value.values) == len(_FIELDS):
            said = dict(zip(_FIELDS, value.values.tolist(), strict=True))
            count, size, nonfinite, population = (int(said[field]) for field in _FIELDS[3:])
            out[parameter] = GradientStatistics(
                said["mean"], said["std"], count, said["norm"], size, nonfinite, population or None
            )
    return out
