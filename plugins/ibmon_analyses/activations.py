"""What each layer makes of one example ("Information bottleneck theory: extensions to convolutional neural networks and the
stochastic gradient hypothesis", 2019, figure 10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ibmon import Activation, Measurement, Snapshot

from .activations_figures import UNITS

SIDE = 64
"""Rows and columns of a channel that are recorded at most: of larger ones every second, third ... is."""
_SHAPES = (("sample", "unit"), ("sample", "channel", "height", "width"))


@dataclass(frozen=True, slots=True)
class Activations:
    """The activations of one sample, ``sample`` being its index in the evaluation set: the first ``channels`` channels of each
    convolutional layer, the first 1024 units of each dense one.

    Layers of other kinds (recurrent ones, say) are left out; of replicas the first is taken.
    """

    sample: int = 0
    channels: int = 8

    def __post_init__(self) -> None:
        if self.sample < 0 or self.channels < 1:
            raise ValueError("activations takes a sample from 0 and at least one channel")

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields "activation" over (channel, row, column) or (unit), with subject layer and sample, and the largest value of the
        whole layer as "activation maximum"; the sample itself as "input" and "input maximum", with subject sample.

        Raises ValueError where the evaluation set has no such sample.
        """
        if snapshot.inputs is not None:
            yield from self.recorded("input", snapshot.inputs, {})
        for name in snapshot.layers:
            yield from self.recorded("activation", snapshot.layers[name], {"layer": name})

    def recorded(self, quantity: str, activation: Activation, subject: Mapping[str, str]) -> Iterator[Measurement]:
        """What ``measure`` yields of one layer; nothing for a layer of another kind."""
        values = self.values_of(activation)
        if values is None:
            return
        kept, axes = self.kept(values)
        subject = {**subject, "sample": str(self.sample)}
        yield Measurement(quantity=quantity, value=kept.double().cpu().numpy(), unit="", subject=subject, axes=axes)
        finite = values[torch.isfinite(values)]
        largest = float(finite.max()) if len(finite) else float("nan")
        yield Measurement(quantity=f"{quantity} maximum", value=largest, unit="", subject=subject)

    def values_of(self, activation: Activation) -> Tensor | None:
        """The sample's values ``(units,)`` or ``(channels, height, width)``; None for a layer of another kind."""
        shape = next((s for s in _SHAPES if set(s) == set(activation.axes) - {"replica"}), None)
        if shape is None:
            return None
        samples = activation.values.shape[activation.axes.index("sample")]
        if self.sample >= samples:
            raise ValueError(f"there is no sample {self.sample}: the evaluation set has samples 0 to {samples - 1}")
        values, axes = activation.values, list(activation.axes)
        for axis, index in (("sample", self.sample), ("replica", 0)):
            if axis in axes:
                values = values.select(axes.index(axis), index)
                axes.remove(axis)
        return values.permute([axes.index(axis) for axis in shape[1:]])

    def kept(self, values: Tensor) -> tuple[Tensor, dict[str, list[int]]]:
        """What is recorded of a sample's values, and its axes."""
        if values.ndim == 1:
            return values[:UNITS], {"unit": list(range(min(len(values), UNITS)))}
        channels, height, width = values.shape
        every = max(1, -(-max(height, width) // SIDE))
        kept = values[: self.channels, ::every, ::every]
        rows, columns = (list(range(0, length, every)) for length in (height, width))
        return kept, {"channel": list(range(min(channels, self.channels))), "row": rows, "column": columns}
