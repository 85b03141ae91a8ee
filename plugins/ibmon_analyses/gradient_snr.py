"""Signal and noise of minibatch gradients (Shwartz-Ziv & Tishby 2017, figure 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ibmon import GradientStatistics, Measurement, Snapshot
from ibmon.probes import statistics_of

PROBES = ("frozen", "parallel")
"""Protocols that are probes (``ibmon.probes``); the training's own gradients before a snapshot are the protocol ``epoch``."""


@dataclass(frozen=True, slots=True)
class GradientSNR:
    """Per parameter, over K minibatches: mean = ‖⟨g⟩‖₂, std = ‖STD(g)‖₂ (ddof 0), SNR = mean / std, the gradient noise scale,
    and ‖W‖_F. K is recorded as "gradient minibatches".

    ``null`` of the SNR is what K minibatches of pure noise read, √((1 − K/M) / (K − 1)): M is how many there were to draw them
    from without replacement, and without a known M the first factor is 1. Where all M were read it is 0: pure noise then adds
    up to the full gradient. The noise scale tr Σ / ‖μ‖² (samples; the batch size at which SNR = 1) is B/SNR² with both corrected
    for the same: tr Σ / B = K/(K − 1) std², ‖μ‖² = mean² − (1 − K/M) std²/(K − 1).

    Flags: ``few_minibatches`` for K < 8, ``no_noise`` where the standard deviation is zero, ``nonfinite_gradients``, and
    ``below_noise`` where the mean is not above that of pure noise, so that the noise scale is unknown (NaN).
    """

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields the quantities with subject layer and parameter, and protocol where it is not ``epoch``; the layer is the
        watched one that holds the parameter."""
        yield from _measured(snapshot, snapshot.gradients, "")
        for protocol in PROBES:
            yield from _measured(snapshot, statistics_of(snapshot.probes, protocol), protocol)


def _measured(snapshot: Snapshot, gradients: Mapping[str, GradientStatistics], protocol: str) -> Iterator[Measurement]:
    for parameter, g in gradients.items():
        module, _, short = parameter.rpartition(".")
        subject = {"layer": _watched(module, snapshot), "parameter": short or parameter}
        subject |= {"protocol": protocol} if protocol else {}
        mean, std, norm = (torch.as_tensor(v, dtype=torch.float64) for v in (g.mean, g.std, g.norm))
        axes = {"replica": list(range(len(mean)))} if mean.ndim else {}
        flags: dict[str, Any] = {"few_minibatches": g.count < 8, "nonfinite_gradients": g.nonfinite > 0}
        if g.count < 2:
            std = torch.full_like(std, float("nan"))
        noiseless = (std == 0).numpy()
        snr = Measurement(
            quantity="gradient SNR",
            value=(mean / std).numpy(),
            unit="",
            subject=subject,
            axes=axes,
            flags={**flags, "no_noise": noiseless},
            details={"null": torch.full_like(mean, noise_floor(g.count, g.population)).numpy()},
        )
        yield snr
        for quantity, value in (("gradient mean", mean), ("gradient std", std), ("weight norm", norm)):
            yield Measurement(quantity=quantity, value=value.numpy(), unit="", subject=subject, axes=axes, flags=flags)
        if snapshot.batch_size:
            scale = noise_scale(mean, std, snapshot.batch_size, g.count, g.population)
            own = {"no_noise": noiseless, "below_noise": scale.isnan().numpy()}
            yield Measurement(
                quantity="gradient noise scale",
                value=scale.numpy(),
                unit="samples",
                subject=subject,
                axes=axes,
                flags={**flags, **own},
            )
        yield Measurement(quantity="gradient minibatches", value=g.count, unit="", subject=subject)


def noise_floor(count: int, population: int | None) -> float:
    """The SNR that ``count`` minibatches of pure noise read, of ``population`` without replacement; NaN for fewer than two."""
    if count < 2:
        return float("nan")
    left = 1.0 - min(count / population, 1.0) if population else 1.0
    return (left / (count - 1)) ** 0.5


def noise_scale(mean: Tensor, std: Tensor, batch: int, count: int, population: int | None) -> Tensor:
    """tr Σ / ‖μ‖² in samples (McCandlish et al. 2018, the simple noise scale), float64, of norms of any shape; NaN where the
    mean is not above the noise."""
    signal = mean.square() - (noise_floor(count, population) * std).square()
    trace = batch * std.square() * count / max(count - 1, 1)
    return torch.where(signal > 0, trace / signal, torch.nan)


def _watched(module: str, snapshot: Snapshot) -> str:
    """The longest watched layer that the module is, or lies in; else the module itself."""
    inside = [layer for layer in snapshot.layers if module == layer or module.startswith(layer + ".")]
    return max(inside, key=len) if inside else module
