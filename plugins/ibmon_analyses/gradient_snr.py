"""Signal and noise of minibatch gradients (Shwartz-Ziv & Tishby 2017, figure 4; protocol ``epoch``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ibmon import Measurement, Snapshot


@dataclass(frozen=True, slots=True)
class GradientSNR:
    """Per parameter, over the K minibatches of the window before the snapshot: mean = ‖⟨g⟩‖₂, std = ‖STD(g)‖₂ (ddof 0),
    SNR = mean / std, and the noise scale B / SNR² where the batch size B is known. K is recorded as "gradient minibatches".

    Flags: ``few_minibatches`` for K < 8, ``no_noise`` where the standard deviation is zero, ``nonfinite_gradients``.
    """

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields the quantities with subject layer and parameter; the layer is the watched one that holds the parameter."""
        for parameter, g in snapshot.gradients.items():
            module, _, short = parameter.rpartition(".")
            subject = {"layer": _watched(module, snapshot), "parameter": short or parameter}
            mean, std, norm = (torch.as_tensor(v, dtype=torch.float64) for v in (g.mean, g.std, g.norm))
            axes = {"replica": list(range(len(mean)))} if mean.ndim else {}
            flags: dict[str, Any] = {"few_minibatches": g.count < 8, "nonfinite_gradients": g.nonfinite > 0}
            snr = mean / std if g.count > 1 else torch.full_like(mean, float("nan"))
            noiseless = (std == 0).numpy()
            quantities: dict[str, tuple[torch.Tensor, str, dict[str, Any]]] = {
                "gradient mean": (mean, "", {}),
                "gradient std": (std if g.count > 1 else torch.full_like(std, float("nan")), "", {}),
                "gradient SNR": (snr, "", {"no_noise": noiseless}),
                "weight norm": (norm, "", {}),
            }
            if snapshot.batch_size:
                quantities["gradient noise scale"] = (snapshot.batch_size / snr.square(), "samples", {"no_noise": noiseless})
            for quantity, (value, unit, own) in quantities.items():
                yield Measurement(
                    quantity=quantity, value=value.numpy(), unit=unit, subject=subject, axes=axes, flags={**flags, **own}
                )
            yield Measurement(quantity="gradient minibatches", value=g.count, unit="", subject=subject)


def _watched(module: str, snapshot: Snapshot) -> str:
    """The longest watched layer that the module is, or lies in; else the module itself."""
    inside = [layer for layer in snapshot.layers if module == layer or module.startswith(layer + ".")]
    return max(inside, key=len) if inside else module
