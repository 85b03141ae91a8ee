"""How one update changes the loss, and what the gradients say it should (Shwartz-Ziv & Tishby's stochastic gradient hypothesis;
the paper on convolutional networks §3.2.1 and its appendix)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ibmon import Measurement, Snapshot

LAWS = ("flow law", "gradient · update", "trapezoid")
"""As ``ibmon.probes.loss_dynamics`` gives them: −lr ‖∇L‖², ∇L·Δθ, ½(∇L₀ + ∇L₁)·Δθ."""
TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class LossDynamics:
    """For the update after a snapshot, of the loss on the whole training set (in its own unit): "loss change", and what three
    laws predict of it: "flow law", "gradient · update", "trapezoid", and "second order" = trapezoid − gradient · update, where
    the noise acts through the curvature. "loss share" is what a parameter contributes to the trapezoid, biases included.

    Flags: ``misses`` where a prediction is off by more than a tenth of the change, ``not_sgd`` on the flow law of an optimizer
    that it does not describe.
    """

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields the quantities without subject, and "loss share" with subject layer and parameter."""
        probes = snapshot.probes
        before, after = probes["dynamics.loss"].values.tolist()
        sgd = bool(probes["dynamics.sgd"].values.item())
        change = after - before
        first = "dynamics.laws."
        laws = {key.removeprefix(first): probes[key].values.double() for key in probes if key.startswith(first)}
        total = sum(laws.values(), torch.zeros(len(LAWS), dtype=torch.float64)).tolist()
        yield Measurement(quantity="loss change", value=change, unit="")
        for law, value in zip(LAWS, total, strict=True):
            flags = {"misses": abs(value - change) > TOLERANCE * abs(change)}
            if law == LAWS[0]:
                flags["not_sgd"] = not sgd
            yield Measurement(quantity=law, value=value, unit="", flags=flags)
        yield Measurement(quantity="second order", value=total[2] - total[1], unit="")
        for name, values in laws.items():
            module, _, parameter = name.rpartition(".")
            subject = {"layer": module, "parameter": parameter or name}
            yield Measurement(quantity="loss share", value=float(values[2]), unit="", subject=subject)
